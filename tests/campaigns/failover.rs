//! A standby that becomes the primary, while the old primary lives on read-only.
//!
//! Connections that were made before still lead to the old primary, which answers reads with what it had. It has one change
//! that the new primary has not, so routes of both differ.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;

use crate::backends::{Backend, named_backend};
use crate::cluster::Cluster;
use crate::harness::Gateway;
use crate::relay::Relay;
use crate::support::{Load, gateway_on};
use crate::wait::wait_until;

/// Maximum time after the address moved until changes are made, and the routes of the new primary are served.
const LIMIT: Duration = Duration::from_secs(15);

/// Time that a change takes to reach the standby.
const REPLICATED: Duration = Duration::from_secs(10);

async fn gateway(url: &str, backend: &Backend) -> Gateway {
    let gateway = gateway_on(url);
    for version in ["v1", "v2"] {
        gateway.register("auth", version, &backend.url).await;
    }
    gateway.set_weight("auth", "v2", 10.0).await;
    gateway
}

async fn weight(gateway: &Gateway) -> f64 {
    gateway.weights("auth").await["v2"]
}

/// Tries a change until it is made. Returns the time that it took.
async fn change(gateway: &Gateway, percent: f64) -> Duration {
    let start = Instant::now();
    let path = "/deployment/services/auth/versions/v2/weight";
    loop {
        let response = gateway.try_admin(Method::PUT, path, &json!({ "weight": percent })).await;
        if response.is_some_and(|(status, _)| status.is_success()) {
            return start.elapsed();
        }
        assert!(start.elapsed() < LIMIT, "no change within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Asserts that no request of the loads failed. Returns their number.
async fn end(loads: [Load; 2]) -> u64 {
    let mut requests = 0;
    for load in loads {
        requests += load.end().await;
    }
    requests
}

/// Asserts that no route of the old primary comes back.
async fn assert_stays(gateways: [&Gateway; 2]) {
    for _ in 0..50 {
        for gateway in gateways {
            assert_eq!(weight(gateway).await, 30.0);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Moves `relay` to `new` and asserts that `gateways` follow. The new primary has `v2` at 10 percent, the old one at 90.
async fn assert_followed(what: &str, relay: &Relay, new: SocketAddr, gateways: [&Gateway; 2]) {
    let [changing, quiet] = gateways;
    let loads = gateways.map(|gateway| Load::start(gateway, "/auth/", 1));
    relay.move_to(new);
    let served = wait_until(LIMIT, "the routes of the new primary are served", async || {
        weight(changing).await == 10.0 && weight(quiet).await == 10.0
    });
    let served = served.await;
    let changed = change(changing, 30.0).await;
    assert!(served + changed < LIMIT, "{served:?} {changed:?}");
    let followed = wait_until(LIMIT, "the other gateway follows", async || weight(quiet).await == 30.0).await;
    assert_stays(gateways).await;
    let requests = end(loads).await;
    println!(
        "{what}: routes of the new primary after {served:.1?}, a change after {changed:.1?} more, seen by the other \
         gateway after {followed:.1?}; {requests} requests, none failed"
    );
}

/// What happens to the old primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OldPrimary {
    /// It becomes read-only, and its sessions stay.
    LivesOn,
    /// It stops responding, and its sessions stay.
    Hangs,
    /// It restarts read-only.
    Restarts,
}

impl OldPrimary {
    async fn begin(self, primary: &Cluster) {
        match self {
            Self::LivesOn => {
                primary.execute("ALTER SYSTEM SET default_transaction_read_only = on").await;
                primary.execute("SELECT pg_reload_conf()").await;
            }
            Self::Hangs => primary.hang(),
            Self::Restarts => tokio::task::block_in_place(|| {
                primary.down("fast");
                primary.become_standby();
                primary.up();
            }),
        }
    }
}

async fn postgres(old: OldPrimary) {
    let Some(primary) = Cluster::start() else { return println!("skipped: PostgreSQL is not installed") };
    let standby = primary.standby();
    let relay = Relay::to(primary.address()).await;
    let backend = named_backend("v", Duration::ZERO).await;
    let changing = gateway(&Cluster::url_at(relay.address), &backend).await;
    let quiet = gateway_on(&Cluster::url_at(relay.address));
    let revision = "SELECT CAST(revision AS TEXT) FROM gateway_revision";
    wait_until(REPLICATED, "the standby has all changes", async || standby.value(revision).await == "3")
        .await;
    standby.execute("ALTER SYSTEM SET primary_conninfo = ''").await;
    standby.execute("SELECT pg_reload_conf()").await;
    let receivers = "SELECT CAST(count(*) AS TEXT) FROM pg_stat_replication";
    wait_until(REPLICATED, "the standby is cut off", async || primary.value(receivers).await == "0").await;
    changing.set_weight("auth", "v2", 90.0).await;
    wait_until(REPLICATED, "both serve the lost change", async || weight(&quiet).await == 90.0).await;
    old.begin(&primary).await;
    tokio::task::block_in_place(|| standby.promote());
    assert_followed(&format!("PostgreSQL, {old:?}"), &relay, standby.address(), [&changing, &quiet]).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn read_only_postgres_primary_is_left() {
    postgres(OldPrimary::LivesOn).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn hanging_postgres_primary_is_left() {
    postgres(OldPrimary::Hangs).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn restarted_postgres_primary_is_left() {
    postgres(OldPrimary::Restarts).await;
}

#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn read_only_mariadb_primary_is_left() {
    use crate::mariadb::MariaDb;

    let Some(primary) = MariaDb::start(1, &[]).await else {
        return println!("skipped: MariaDB is not installed");
    };
    let standby = MariaDb::start(2, &[]).await.unwrap();
    standby.execute("DROP DATABASE gateway").await;
    primary.execute("RESET MASTER").await;
    standby.execute("RESET MASTER").await;
    primary.execute("CREATE OR REPLACE DATABASE gateway").await;
    standby.follow(&primary).await;
    let relay = Relay::to(primary.address()).await;
    let backend = named_backend("v", Duration::ZERO).await;
    let changing = gateway(&MariaDb::url_at(relay.address), &backend).await;
    let quiet = gateway_on(&MariaDb::url_at(relay.address));
    let revision = "SELECT CAST(revision AS CHAR) FROM gateway.gateway_revision";
    wait_until(REPLICATED, "the standby has all changes", async || standby.value(revision).await == "3")
        .await;
    standby.execute("STOP SLAVE").await;
    changing.set_weight("auth", "v2", 90.0).await;
    wait_until(REPLICATED, "both serve the lost change", async || weight(&quiet).await == 90.0).await;
    primary.execute("SET GLOBAL read_only = 1").await;
    standby.execute("SET GLOBAL read_only = 0").await;
    assert_followed("MariaDB", &relay, standby.address(), [&changing, &quiet]).await;
}
