//! A database that goes away under load, comes back, or was never there.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::json;
use tokio::time::sleep;
use tower_canary::routing::Change;
use tower_canary::store::sql::SqlStore;
use tower_canary::store::{ChangeRequest, RouteStore};

use crate::backends::{Backend, named_backend};
use crate::cluster::{Cluster, free_port};
use crate::harness::Gateway;
use crate::setting;
use crate::support::{Load, boot, gateway_on, listed, spread};
use crate::wait::wait_until;

/// Within which a change is answered while the database is down: 3 seconds, and what measuring takes.
const ANSWERED: Duration = Duration::from_millis(3_200);
/// Within which what is in memory is read.
const AT_ONCE: Duration = Duration::from_millis(200);
/// Within which a change is served that was made after the database came back.
const FRESH: Duration = Duration::from_secs(5);
/// Within which a gateway gives up on a database that it needs to start.
const GIVEN_UP: Duration = Duration::from_millis(3_500);

/// A gateway with two versions of `auth`, v1 at 100.
async fn gateway(cluster: &Cluster, backend: &Backend) -> Gateway {
    let gateway = gateway_on(&cluster.url());
    for version in ["v1", "v2"] {
        gateway.register("auth", version, &backend.url).await;
    }
    gateway
}

async fn weight(gateway: &Gateway, version: &str) -> f64 {
    listed(gateway, "auth").await;
    gateway.weights("auth").await[version]
}

/// A change that cannot be made now, and a read that can; how long the change took.
async fn assert_kept_serving(gateway: &Gateway) -> Duration {
    let start = Instant::now();
    let path = "/deployment/services/auth/versions/v2/weight";
    let response = gateway.try_admin(Method::PUT, path, &json!({ "weight": 90 })).await;
    let (took, (status, problem)) = (start.elapsed(), response.unwrap());
    assert_eq!((status, &problem["type"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("store-unavailable")));
    assert!(took < ANSWERED, "answered after {took:?}");
    let start = Instant::now();
    assert_eq!(weight(gateway, "v2").await, 0.0);
    assert!(start.elapsed() < AT_ONCE, "read after {:?}", start.elapsed());
    took
}

/// Gives v2 a weight in the database, as another gateway would.
async fn change_beside(cluster: &Cluster, percent: f64) {
    let store = SqlStore::connect(&cluster.url()).await.unwrap();
    let weight = Change::set_weight("v2".parse().unwrap(), percent.try_into().unwrap());
    store
        .commit(&"auth".parse().unwrap(), &ChangeRequest::new(weight, "another").without_check())
        .await
        .unwrap();
}

async fn campaign(mode: &str, down: Duration) {
    let Some(cluster) = Cluster::start() else { return };
    let backend = named_backend("v", Duration::ZERO).await;
    let gateway = gateway(&cluster, &backend).await;
    let load = Load::start(&gateway, "/auth/", 2);
    sleep(Duration::from_millis(300)).await;
    tokio::task::block_in_place(|| cluster.down(mode));
    let (stopped, mut responses) = (Instant::now(), Vec::new());
    while stopped.elapsed() < down {
        responses.push(assert_kept_serving(&gateway).await);
    }
    tokio::task::block_in_place(|| cluster.up());
    let back = Instant::now();
    change_beside(&cluster, 37.25).await;
    wait_until(FRESH, "the change beside it", async || weight(&gateway, "v2").await == 37.25).await;
    let fresh = back.elapsed();
    assert!(fresh < FRESH, "fresh after {fresh:?}");
    gateway.set_weight("auth", "v2", 50.0).await;
    let (requests, count) = (load.end().await, responses.len());
    let (median, _, slowest) = spread(responses);
    println!(
        "{mode}: down for {down:?}, {requests} requests, none failed; {count} changes refused, median {median:.1?}, \
         slowest {slowest:.1?}; fresh {fresh:.1?} after the return"
    );
}

/// The database comes back as it was before the last changes.
async fn assert_backup_is_followed() {
    let Some(cluster) = Cluster::start() else { return };
    let backend = named_backend("v", Duration::ZERO).await;
    let gateway = gateway(&cluster, &backend).await;
    gateway.set_weight("auth", "v2", 10.0).await;
    tokio::task::block_in_place(|| {
        cluster.down("fast");
        cluster.back_up();
        cluster.up();
    });
    change_beside(&cluster, 80.0).await;
    wait_until(FRESH, "the later change", async || weight(&gateway, "v2").await == 80.0).await;
    let load = Load::start(&gateway, "/auth/", 2);
    tokio::task::block_in_place(|| {
        cluster.down("immediate");
        cluster.restore();
        cluster.up();
    });
    let fresh =
        wait_until(FRESH, "what the backup holds", async || weight(&gateway, "v2").await == 10.0).await;
    gateway.set_weight("auth", "v2", 20.0).await;
    println!("backup: followed after {fresh:.1?}, {} requests, none failed", load.end().await);
}

/// Databases that are not there, each by what its URL starts with.
fn assert_refused_soon(scheme: &str) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = [("refused", free_port()), ("silent", silent.local_addr().unwrap().port())];
    for (what, port) in ports {
        let url = format!("{scheme}://somebody:hunter2@127.0.0.1:{port}/canary");
        let refusal = boot(&url).expect_err("nothing is there");
        assert!(refusal.line.contains("check that it runs and can be reached"), "{}", refusal.line);
        assert!(!refusal.line.contains("hunter2"), "{}", refusal.line);
        assert!(refusal.took < GIVEN_UP, "{what}: given up after {:?}", refusal.took);
        println!("{scheme}, {what}: {:.1?}: {}", refusal.took, refusal.line);
    }
}

#[test]
fn a_gateway_does_not_start_without_its_postgres_and_says_so_soon() {
    assert_refused_soon("postgres");
}

#[cfg(feature = "mysql")]
#[test]
fn a_gateway_does_not_start_without_its_mysql_and_says_so_soon() {
    assert_refused_soon("mysql");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_postgres_is_away_for_a_moment() {
    campaign("immediate", Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_comes_back_from_a_backup_is_followed() {
    assert_backup_is_followed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn no_request_fails_while_postgres_is_away() {
    let down = Duration::from_secs(setting("CANARY_CAMPAIGN_DOWN_SECONDS", 30));
    for mode in ["immediate", "fast"] {
        campaign(mode, down).await;
    }
}
