//! Callers that disappear: requests and changes are dropped at any of their await points.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt};
use tower_canary::routing::Change;
use tower_canary::store::sql::SqlStore;
use tower_canary::store::{ChangeRequest, MemoryStore, RouteStore};
use tower_canary::{Deployments, NoVersionCheck, ServiceName, Target, WeightedVersionLayer};

use crate::books::{self, rows};
use crate::databases::{Kind, TestDatabase};
use crate::setting;
use crate::support::on_every_database;
use crate::wait::wait_until;

/// Number of await points of the client, and of body frames.
const WAITS: u32 = 4;
const FRAMES: u32 = 3;

fn auth() -> ServiceName {
    "auth".parse().unwrap()
}

async fn two_versions(store: impl RouteStore) -> Deployments {
    let deployments = Deployments::start(store, NoVersionCheck).await.unwrap();
    for version in ["v1", "v2"] {
        let register = Change::register(version.parse().unwrap(), "http://backend".parse().unwrap());
        deployments.apply(&auth(), ChangeRequest::new(register, "campaign")).await.unwrap();
    }
    deployments
}

async fn yield_times(count: u32) {
    for _ in 0..count {
        yield_now().await;
    }
}

async fn respond(_: Request<()>) -> Result<Response<Channel<Bytes, Infallible>>, Infallible> {
    yield_times(WAITS).await;
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        for _ in 0..FRAMES {
            yield_times(1).await;
            if sender.send_data(Bytes::from("frame")).await.is_err() {
                return;
            }
        }
    });
    Ok(Response::new(body))
}

/// Drops a request after a random number of await points or body frames.
async fn abandon_request(deployments: Deployments) {
    let layer = WeightedVersionLayer::new(deployments.handle(), Target::service(auth()));
    let response = layer.layer(tower::service_fn(respond)).oneshot(Request::get("/").body(()).unwrap());
    let moment = rand::random_range(0..=WAITS + 2);
    let response = tokio::select! {
        biased;
        response = response => response.unwrap(),
        () = yield_times(moment) => return,
    };
    let mut body = response.into_body();
    for _ in 0..rand::random_range(0..=FRAMES + 1) {
        body.frame().await;
    }
}

async fn abandoned_requests(count: u64) {
    let deployments = two_versions(MemoryStore::new()).await;
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        tasks.spawn(abandon_request(deployments.clone()));
        if tasks.len() >= 64 {
            tasks.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    for version in ["v1", "v2"] {
        assert_eq!(deployments.handle().in_flight("auth", version), 0, "{version}");
    }
    println!("requests: {count} abandoned at any await point, none is left in flight");
}

/// Returns the usual time of a change, which limits the random moment of the drop.
async fn usual(deployments: &Deployments) -> Duration {
    let start = Instant::now();
    for step in 0..10 {
        deployments.apply(&auth(), set_weight(step)).await.unwrap();
    }
    start.elapsed() / 10
}

fn set_weight(step: u64) -> ChangeRequest {
    let version = "v2".parse().unwrap();
    let weight = f64::from((step % 100) as u32).try_into().unwrap();
    ChangeRequest::new(Change::set_weight(version, weight), "campaign").without_check()
}

/// Drops changes at random moments. Each change must be applied or not, and the served split must equal the
/// stored one.
async fn abandoned_changes(kind: Kind, count: u64) {
    let database = TestDatabase::new(kind).await;
    let store = Arc::new(SqlStore::connect(&database.url).await.unwrap());
    let deployments = two_versions(Arc::clone(&store)).await;
    let running = tokio::spawn(deployments.clone().run(std::future::pending()));
    let usual = usual(&deployments).await;
    let mut confirmed = 0;
    for step in 0..count {
        let moment = usual.mul_f64(rand::random_range(0.0..1.3));
        let made = timeout(moment, deployments.apply(&auth(), set_weight(step))).await;
        confirmed += u64::from(made.is_ok_and(|made| made.is_ok()));
    }
    let served = async || {
        let stored = store.load(0).await.unwrap().splits;
        *deployments.handle().route("auth").unwrap().split() == stored[0]
    };
    wait_until(Duration::from_secs(15), "the stored split is served", served).await;
    assert_no_transaction_open(&database).await;
    // A change that has to wait for a lock of another one fails after 2.75 s.
    timeout(Duration::from_secs(10), deployments.apply(&auth(), set_weight(41))).await.unwrap().unwrap();
    books::assert_balanced(&database).await;
    running.abort();
    println!(
        "{kind:?}: {count} changes, {confirmed} completed before they were dropped; no transaction is left open"
    );
}

async fn assert_no_transaction_open(database: &TestDatabase) {
    let open = match database.kind {
        // An open transaction would block the next change.
        Kind::Sqlite => return,
        Kind::Postgres => {
            "SELECT COUNT(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
        }
        Kind::MySql => {
            "SELECT COUNT(*) FROM information_schema.innodb_trx t \
             JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id WHERE p.db = DATABASE()"
        }
    };
    let db = database.connect().await;
    wait_until(Duration::from_secs(4), "no transaction is open", async || {
        // InnoDB returns a cached result to a second query within a tenth of a second.
        sleep(Duration::from_millis(rand::random_range(150..300))).await;
        rows(&db, open).await[0].try_get_by_index::<i64>(0).unwrap() == 0
    })
    .await;
    db.close().await.unwrap();
}

fn campaign_size() -> u64 {
    setting("CANARY_CAMPAIGN_CANCELLATIONS", 10_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abandoned_requests_are_not_in_flight() {
    abandoned_requests(500).await;
}

on_every_database! {
    async fn abandoned_changes_are_atomic(kind: Kind) {
        abandoned_changes(kind, 50).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn many_abandoned_requests_are_not_in_flight() {
    abandoned_requests(campaign_size()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn many_abandoned_changes_are_atomic() {
    for kind in Kind::available() {
        abandoned_changes(kind, campaign_size()).await;
    }
}
