//! A database that fails under load, returns, or was never there.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::json;
use tokio::time::sleep;
use tower_canary::routing::Change;
use tower_canary::store::sql::SqlStore;
use tower_canary::store::{ChangeRequest, RouteStore};

use crate::addresses::ClosedPort;
use crate::backends::{Backend, named_backend};
use crate::cluster::Cluster;
use crate::harness::Gateway;
use crate::setting;
use crate::support::{Load, boot, gateway_on, percentiles, read_split};
use crate::wait::wait_until;

/// Maximum time of a change while the database is down: 3 seconds, and a tolerance for the measurement.
const CHANGE_TIMEOUT: Duration = Duration::from_millis(3_200);
/// Maximum time of a read from memory.
const READ_TIMEOUT: Duration = Duration::from_millis(200);
/// Maximum time until a gateway serves a change made after the return of the database.
const FRESH_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time until a start without the database fails.
const START_TIMEOUT: Duration = Duration::from_millis(3_500);

/// Starts a gateway with two versions of `auth`, v1 at 100.
async fn gateway(cluster: &Cluster, backend: &Backend) -> Gateway {
    let gateway = gateway_on(&cluster.url());
    for version in ["v1", "v2"] {
        gateway.register("auth", version, &backend.url).await;
    }
    gateway
}

async fn weight(gateway: &Gateway, version: &str) -> f64 {
    read_split(gateway, "auth").await;
    gateway.weights("auth").await[version]
}

/// Asserts that a change fails and a read succeeds. Returns the time of the change.
async fn assert_degraded(gateway: &Gateway) -> Duration {
    let start = Instant::now();
    let path = "/deployment/services/auth/versions/v2/weight";
    let response = gateway.try_admin(Method::PUT, path, &json!({ "weight": 90 })).await;
    let (took, (status, problem)) = (start.elapsed(), response.unwrap());
    assert_eq!((status, &problem["type"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("store-unavailable")));
    assert!(took < CHANGE_TIMEOUT, "failed after {took:?}");
    let start = Instant::now();
    assert_eq!(weight(gateway, "v2").await, 0.0);
    assert!(start.elapsed() < READ_TIMEOUT, "read after {:?}", start.elapsed());
    took
}

/// Sets the weight of v2 in the database, as another gateway would.
async fn change_in_database(cluster: &Cluster, percent: f64) {
    let store = SqlStore::connect(&cluster.url()).await.unwrap();
    let weight = Change::set_weight("v2".parse().unwrap(), percent.try_into().unwrap());
    store
        .commit(&"auth".parse().unwrap(), &ChangeRequest::new(weight, "another").without_check())
        .await
        .unwrap();
}

async fn campaign(mode: &str, down: Duration) {
    let Some(cluster) = Cluster::start() else { return println!("skipped: PostgreSQL is not installed") };
    let backend = named_backend("v", Duration::ZERO).await;
    let gateway = gateway(&cluster, &backend).await;
    let load = Load::start(&gateway, "/auth/", 2);
    sleep(Duration::from_millis(300)).await;
    tokio::task::block_in_place(|| cluster.down(mode));
    let stopped = Instant::now();
    let mut responses = Vec::new();
    while stopped.elapsed() < down {
        responses.push(assert_degraded(&gateway).await);
    }
    tokio::task::block_in_place(|| cluster.up());
    let back = Instant::now();
    change_in_database(&cluster, 37.25).await;
    wait_until(FRESH_TIMEOUT, "the change in the database is served", async || {
        weight(&gateway, "v2").await == 37.25
    })
    .await;
    let fresh = back.elapsed();
    assert!(fresh < FRESH_TIMEOUT, "fresh after {fresh:?}");
    gateway.set_weight("auth", "v2", 50.0).await;
    let requests = load.end().await;
    let count = responses.len();
    let (median, _, slowest) = percentiles(responses);
    println!(
        "{mode}: down for {down:?}, {requests} requests, none failed; {count} changes refused, median {median:.1?}, \
         slowest {slowest:.1?}; fresh after {fresh:.1?}"
    );
}

/// The database returns in an earlier state.
async fn assert_backup_is_followed() {
    let Some(cluster) = Cluster::start() else { return println!("skipped: PostgreSQL is not installed") };
    let backend = named_backend("v", Duration::ZERO).await;
    let gateway = gateway(&cluster, &backend).await;
    gateway.set_weight("auth", "v2", 10.0).await;
    tokio::task::block_in_place(|| {
        cluster.down("fast");
        cluster.back_up();
        cluster.up();
    });
    change_in_database(&cluster, 80.0).await;
    wait_until(FRESH_TIMEOUT, "the later change is served", async || weight(&gateway, "v2").await == 80.0)
        .await;
    let load = Load::start(&gateway, "/auth/", 2);
    tokio::task::block_in_place(|| {
        cluster.down("immediate");
        cluster.restore();
        cluster.up();
    });
    let fresh = wait_until(FRESH_TIMEOUT, "the restored state is served", async || {
        weight(&gateway, "v2").await == 10.0
    })
    .await;
    gateway.set_weight("auth", "v2", 20.0).await;
    println!("backup: followed after {fresh:.1?}, {} requests, none failed", load.end().await);
}

/// Asserts that starts on unreachable databases fail soon. `scheme` is the scheme of their URLs.
fn assert_refused_soon(scheme: &str) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = ClosedPort::new();
    for (what, address) in [("refused", closed.address), ("silent", silent.local_addr().unwrap())] {
        let url = format!("{scheme}://somebody:hunter2@{address}/canary");
        let refusal = boot(&url).expect_err("nothing is there");
        assert!(refusal.line.contains("check that it runs and can be reached"), "{}", refusal.line);
        assert!(!refusal.line.contains("hunter2"), "{}", refusal.line);
        assert!(refusal.took < START_TIMEOUT, "{what}: failed after {:?}", refusal.took);
        println!("{scheme}, {what}: {:.1?}: {}", refusal.took, refusal.line);
    }
}

#[test]
fn start_without_postgres_fails_soon() {
    assert_refused_soon("postgres");
}

#[cfg(feature = "mysql")]
#[test]
fn start_without_mysql_fails_soon() {
    assert_refused_soon("mysql");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brief_postgres_outage_fails_no_request() {
    campaign("immediate", Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restored_postgres_backup_is_followed() {
    assert_backup_is_followed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn postgres_outage_fails_no_request() {
    let down = Duration::from_secs(setting("CANARY_CAMPAIGN_DOWN_SECONDS", 30));
    for mode in ["immediate", "fast"] {
        campaign(mode, down).await;
    }
}
