//! SQLite files that are damaged or edited by hand.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tower_canary::store::RouteStore;
use tower_canary::store::sql::SqlStore;

use crate::backends::{Backend, named_backend};
use crate::databases::{Kind, TestDatabase};
use crate::disks::{Disk, START_TIMEOUT};
use crate::harness::Gateway;
use crate::setting;
use crate::support::{Load, assert_whole, boot, gateway_on, read_split};

const PAGE: u64 = 4_096;

/// Maximum time of a response of the admin API: 3 seconds, and a tolerance for a slow machine.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(6);

/// Registers two versions of each of `services`; the first one gets 100 %.
pub(crate) async fn register(gateway: &Gateway, services: &[&str], backend: &Backend) {
    for service in services {
        for version in ["v1", "v2"] {
            gateway.register(service, version, &backend.url).await;
        }
    }
}

/// Tries to change `service` and returns the status. A change must be applied completely or fail with a typed
/// problem, in time.
pub(crate) async fn change(gateway: &Gateway, service: &str, weight: u32) -> StatusCode {
    let path = format!("/deployment/services/{service}/versions/v2/weight");
    // A long reason fills the disk sooner.
    let reason = "x".repeat(1_000);
    let body = json!({ "weight": weight, "reason": reason });
    let response = timeout(RESPONSE_TIMEOUT, gateway.try_admin(Method::PUT, &path, &body)).await;
    let (status, response) =
        response.unwrap_or_else(|_| panic!("no response within {RESPONSE_TIMEOUT:?}")).unwrap();
    match (status.as_u16(), response["type"].as_str()) {
        (200, None) => assert_whole(&response),
        (503, Some("store-unavailable")) | (500, Some("store-unusable" | "broken-split")) => {}
        // A truncated log contains the state before later changes.
        (404, Some("unknown-service" | "unknown-version")) => {}
        _ => panic!("{status} {response}"),
    }
    status
}

/// Overwrites random pages of the file, or truncates it at a random position.
fn damage(file: &Path) -> String {
    let Ok(mut damaged) = OpenOptions::new().write(true).open(file) else { return "nothing".into() };
    let length = damaged.metadata().unwrap().len();
    let name = file.file_name().unwrap().display().to_string();
    if length == 0 {
        return "nothing".into();
    }
    if rand::random() {
        let remaining = rand::random_range(0..length);
        damaged.set_len(remaining).unwrap();
        return format!("{name} truncated to {remaining} of {length}");
    }
    let pages = rand::random_range(1..=3);
    for _ in 0..pages {
        let page = rand::random_range(0..length.div_ceil(PAGE));
        damaged.seek(SeekFrom::Start(page * PAGE)).unwrap();
        damaged.write_all(&rand::random_iter::<u8>().take(4_096).collect::<Vec<_>>()).unwrap();
    }
    format!("{name}: {pages} pages of {length} bytes overwritten")
}

/// Starts a gateway on the damaged file. It must serve the readable part or fail with advice. Returns whether
/// it started.
async fn start_on(disk: &Disk, what: &str) -> bool {
    let url = disk.url();
    let start = Instant::now();
    match tokio::task::block_in_place(|| boot(&url)) {
        Ok(gateway) => {
            let all = gateway.admin(Method::GET, "/deployment/services", Value::Null).await;
            all["services"].as_array().unwrap().iter().for_each(assert_whole);
            true
        }
        Err(refusal) => {
            assert!(start.elapsed() < START_TIMEOUT, "{what}: {:?}", refusal.took);
            assert!(refusal.line.contains("restore it, or name another file"), "{what}: {}", refusal.line);
            false
        }
    }
}

/// Writes the log into the file, as SQLite does from time to time.
async fn empty_log(disk: &Disk) {
    let db = Database::connect(disk.url()).await.unwrap();
    db.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    db.close().await.unwrap();
}

/// Calls the admin API of a gateway on a damaged file. Returns whether changes still succeed.
async fn administrate(gateway: &Gateway, what: &str) -> bool {
    let first = change(gateway, "auth", 10).await;
    let second = change(gateway, "orders", 20).await;
    read_split(gateway, "auth").await;
    let path = "/deployment/services/auth/history";
    let (history, _) = gateway.try_admin(Method::GET, path, &Value::Null).await.unwrap();
    assert!([200, 404, 500, 503].contains(&history.as_u16()), "{what}: {history}");
    first == StatusCode::OK && second == StatusCode::OK
}

/// Waits until the gateway has read the file again. It must serve the same services, except those that are
/// missing from a readable file. Returns the number of missing services.
async fn assert_served_or_missing(gateway: &Gateway, disk: &Disk, what: &str) -> u64 {
    sleep(Duration::from_millis(1_300)).await;
    let mut missing = 0;
    for service in ["auth", "orders"] {
        let status = gateway.get(&format!("/{service}/")).await.status;
        if status != StatusCode::OK {
            let stored = SqlStore::connect(&disk.url()).await.unwrap().load(0).await.unwrap();
            let known = stored.splits.iter().any(|split| split.service().as_str() == service);
            assert!(!known && stored.broken.is_empty(), "{what}: {service} is {status} with {stored:?}");
            missing += 1;
        }
    }
    missing
}

/// The results for damaged files and their gateways.
#[derive(Debug, Default)]
struct Outcomes {
    requests: u64,
    /// Files on which changes failed.
    refused: u64,
    /// Services that were missing from a file whose read parts were intact.
    missing: u64,
    /// Files on which a gateway could start.
    started: u64,
}

/// Damages one file under a running gateway, then starts another gateway on it.
async fn damage_one(backend: &Backend, outcomes: &mut Outcomes) {
    let disk = Disk::new();
    let gateway = gateway_on(&disk.url());
    register(&gateway, &["auth", "orders"], backend).await;
    if rand::random() {
        empty_log(&disk).await;
    }
    let load = Load::start(&gateway, "/auth/", 1);
    let what = [disk.file(), disk.log()].map(|file| damage(&file)).join("; ");
    outcomes.refused += u64::from(!administrate(&gateway, &what).await);
    outcomes.requests += load.end().await;
    outcomes.missing += assert_served_or_missing(&gateway, &disk, &what).await;
    drop(gateway);
    outcomes.started += u64::from(start_on(&disk, &what).await);
}

async fn damaged(files: u64) {
    let backend = named_backend("v", Duration::ZERO).await;
    let mut outcomes = Outcomes::default();
    for _ in 0..files {
        damage_one(&backend, &mut outcomes).await;
    }
    let Outcomes { requests, refused, missing, started } = outcomes;
    println!(
        "damage: {files} files, {requests} requests, none failed; changes refused on {refused}; {missing} services of {} \
         were missing from their files; {started} files could be started on, the others gave advice",
        2 * files
    );
}

/// Rows that only a manual edit can create, with the new revision that makes gateways read them.
const MANUAL_EDITS: &str = "
    UPDATE gateway_service_version SET weight = -5 WHERE version = 'v1' AND service_id =
        (SELECT id FROM gateway_service_config WHERE service_name = 'auth');
    UPDATE gateway_service_version SET url = 'javascript:' WHERE version = 'v1' AND service_id =
        (SELECT id FROM gateway_service_config WHERE service_name = 'orders');
    UPDATE gateway_revision SET revision = revision + 1;
    UPDATE gateway_service_config SET revision = (SELECT revision FROM gateway_revision)";

async fn assert_statuses(gateway: &Gateway, expected: [(&str, u16); 3]) {
    for (service, status) in expected {
        assert_eq!(gateway.get(&format!("/{service}/")).await.status, status, "{service}");
    }
}

async fn assert_changes(gateway: &Gateway, expected: [(&str, u16); 3]) {
    for (service, status) in expected {
        assert_eq!(change(gateway, service, 30).await, status, "{service}");
    }
}

/// Such rows affect only their own service: running gateways keep its last good route, and a start leaves it
/// out.
async fn edited() {
    let database = TestDatabase::new(Kind::Sqlite).await;
    let backend = named_backend("v", Duration::ZERO).await;
    let gateway = gateway_on(&database.url);
    register(&gateway, &["auth", "orders", "sound"], &backend).await;
    let load = Load::start(&gateway, "/auth/", 1);
    database.by_hand(MANUAL_EDITS).await;
    assert_changes(&gateway, [("auth", 500), ("orders", 500), ("sound", 200)]).await;
    // The gateway has read the rows by then.
    sleep(Duration::from_millis(1_300)).await;
    assert_statuses(&gateway, [("auth", 200), ("orders", 200), ("sound", 200)]).await;
    println!("edited: {} requests, none failed", load.end().await);
    let again = gateway_on(&database.url);
    assert_eq!(again.weights("sound").await["v2"], 30.0);
    assert_statuses(&again, [("auth", 404), ("orders", 404), ("sound", 200)]).await;
}

// The next start serves the readable splits or reports the damage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_file_fails_no_request() {
    damaged(4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_rows_affect_only_their_service() {
    edited().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn many_damaged_files_fail_no_request() {
    damaged(setting("CANARY_CAMPAIGN_FILES", 100)).await;
}
