//! SIGTERM under load: afterwards the SQLite file alone is the whole database.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use sea_orm::Database;
use serde_json::json;
use tokio::time::sleep;
use tower_canary::store::RouteStore;
use tower_canary::store::sql::SqlStore;

use crate::backends::{Backend, named_backend};
use crate::books::assert_balanced_in;
use crate::databases::Kind;
use crate::harness::{Gateway, client, empty};
use crate::setting;

/// Each has a service of its own, so the state after its last confirmed change is known.
const WRITERS: [&str; 4] = ["auth", "cart", "shop", "user"];

/// The drain time is 30 s, and nothing here takes long.
const LONGEST_STOP: Duration = Duration::from_secs(30);

/// The last change that was confirmed to a writer: the generation and the weight of `v2`.
type Confirmed = (u64, f64);

/// Sets weights until the gateway is gone.
async fn change_until_gone(gateway: Arc<Gateway>, service: &str) -> Confirmed {
    let path = format!("/deployment/services/{service}/versions/v2/weight");
    let mut confirmed = (2, 0.0);
    for step in 0_u32.. {
        let percent = f64::from(1 + step % 99);
        let response = gateway.try_admin(Method::PUT, &path, &json!({ "weight": percent })).await;
        let Some((status, split)) = response else { break };
        assert!(status.is_success(), "{status} {split}");
        confirmed = (split["generation"].as_u64().unwrap(), percent);
    }
    confirmed
}

/// Sends requests until the gateway is gone.
async fn request_until_gone(url: String) {
    let client = client();
    loop {
        let request = http::Request::get(&url).body(empty()).unwrap();
        if client.request(request).await.is_err() {
            return;
        }
    }
}

/// Copies the file alone and compares the copy with the confirmed changes. Returns the revision.
async fn assert_whole(file: &Path, confirmed: &[Confirmed]) -> u64 {
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy.db");
    std::fs::copy(file, &copy).unwrap();
    let url = format!("sqlite://{}", copy.display());
    let db = Database::connect(&url).await.unwrap();
    assert_balanced_in(&db, Kind::Sqlite).await;
    db.close().await.unwrap();
    let store = SqlStore::connect(&url).await.unwrap();
    let found = store.load(0).await.unwrap();
    store.close().await;
    for (service, (generation, percent)) in WRITERS.into_iter().zip(confirmed) {
        let split = found.splits.iter().find(|split| split.service().as_str() == service).unwrap();
        // At most one more change was on its way.
        let more = split.generation().checked_sub(*generation);
        assert!(more.is_some_and(|more| more <= 1), "{service}: {generation} confirmed, {split:?} found");
        let weight = split.version("v2").unwrap().weight.percent();
        assert!(more == Some(1) || (weight - percent).abs() < 1e-9, "{service}: {percent} is lost");
    }
    found.revision
}

/// Starts a gateway on the database in `dir`, with two versions for each writer.
async fn start(dir: &Path, backend: &Backend) -> Arc<Gateway> {
    let gateway = Gateway::start_in(dir, &["--no-demo"]);
    for service in WRITERS {
        gateway.register(service, "v1", &backend.url).await;
        gateway.register(service, "v2", &backend.url).await;
    }
    Arc::new(gateway)
}

/// Sends SIGTERM under load. Returns the last change that was confirmed to each writer.
async fn terminate_under_load(gateway: Arc<Gateway>, after: Duration) -> Vec<Confirmed> {
    let load = tokio::spawn(request_until_gone(gateway.url("/auth/")));
    let writers = WRITERS.map(|service| tokio::spawn(change_until_gone(Arc::clone(&gateway), service)));
    sleep(after).await;
    gateway.terminate();
    let mut confirmed = Vec::new();
    for writer in writers {
        confirmed.push(writer.await.unwrap());
    }
    load.await.unwrap();
    let exit = Arc::into_inner(gateway).unwrap().exit(LONGEST_STOP).await;
    assert_eq!(exit.and_then(|exit| exit.code()), Some(0));
    confirmed
}

async fn campaign(rounds: u64) {
    for round in 1..=rounds {
        let after = Duration::from_millis(rand::random_range(20..500));
        let dir = tempfile::tempdir().unwrap();
        let backend = named_backend("v", Duration::ZERO).await;
        let confirmed = terminate_under_load(start(dir.path(), &backend).await, after).await;
        let left = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), ["canary.db"], "files are left beside the database");
        let stored = assert_whole(&dir.path().join("canary.db"), &confirmed).await;
        let changes: u64 = confirmed.iter().map(|(generation, _)| generation).sum();
        println!("SIGTERM {round} after {after:?}: {changes} changes confirmed, {stored} in the file alone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_alone_is_whole_after_sigterm() {
    campaign(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn file_alone_is_whole_after_each_sigterm() {
    campaign(setting("CANARY_CAMPAIGN_BACKUPS", 20)).await;
}
