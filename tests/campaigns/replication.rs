//! Two gateways on one database: the time until one serves a change of the other.

use std::time::Duration;

use crate::backends::named_backend;
use crate::databases::{Kind, TestDatabase};
use crate::harness::Gateway;
use crate::setting;
use crate::support::{gateway_on, on_every_database, percentiles};
use crate::wait::wait_until;

/// Maximum time until a gateway serves a change of another one.
const LIMIT: Duration = Duration::from_millis(1_500);

/// Maximum of the median of that time: on PostgreSQL, which notifies, and on databases that are polled every second.
const fn median_limit(kind: Kind) -> Duration {
    Duration::from_millis(if matches!(kind, Kind::Postgres) { 100 } else { 1_200 })
}

/// Returns whether a request through `gateway` goes to `version`.
async fn serves(gateway: &Gateway, version: &str) -> bool {
    gateway.get("/auth/").await.text.starts_with(&format!("auth {version} "))
}

async fn campaign(kind: Kind, changes: u64) {
    let database = TestDatabase::new(kind).await;
    let [one, other] = [(); 2].map(|()| gateway_on(&database.url));
    let backends = [named_backend("v1", Duration::ZERO).await, named_backend("v2", Duration::ZERO).await];
    for (version, backend) in ["v1", "v2"].into_iter().zip(&backends) {
        one.register("auth", version, &backend.url).await;
    }
    wait_until(LIMIT, "the first version is served", async || serves(&other, "v1").await).await;
    let mut took = Vec::new();
    for change in 0..changes {
        let version = ["v2", "v1"][usize::from(change % 2 == 1)];
        one.switch("auth", version).await;
        took.push(wait_until(LIMIT, "the switch is served", async || serves(&other, version).await).await);
    }
    let (median, p99, slowest) = percentiles(took);
    println!(
        "{kind:?}: {changes} changes, served by the other gateway after median {median:.1?}, p99 {p99:.1?}, slowest \
         {slowest:.1?}"
    );
    assert!(median <= median_limit(kind), "{median:?}");
}

on_every_database! {
    async fn change_soon_reaches_other_gateway(kind: Kind) {
        // With fewer changes the median is the maximum.
        campaign(kind, 5).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn hundred_changes_soon_reach_other_gateway() {
    for kind in Kind::available() {
        campaign(kind, setting("CANARY_CAMPAIGN_FOLLOWED", 100)).await;
    }
}
