//! Two gateways on one database: how soon one serves what the other answered.

use std::time::Duration;

use crate::backends::named;
use crate::databases::{Kind, TestDatabase};
use crate::figure;
use crate::harness::Gateway;
use crate::support::{gateway_on, spread};
use crate::wait::wait_until;

/// Within which a gateway serves what another answered: mostly, and always. A poll and a fifth, but where it is told.
const BOUNDS: [(Kind, Duration, Duration); 3] = [
    (Kind::Sqlite, Duration::from_millis(1_200), Duration::from_millis(1_500)),
    (Kind::Postgres, Duration::from_millis(100), Duration::from_millis(1_500)),
    (Kind::MySql, Duration::from_millis(1_200), Duration::from_millis(1_500)),
];

/// Whether a request through `gateway` goes to `version`.
async fn serves(gateway: &Gateway, version: &str) -> bool {
    gateway.get("/auth/").await.text.starts_with(&format!("auth {version} "))
}

async fn campaign(kind: Kind, mostly: Duration, bound: Duration, changes: u64) {
    let database = TestDatabase::new(kind).await;
    let [one, other] = [(); 2].map(|()| gateway_on(&database.url));
    let backends = [named("v1", Duration::ZERO).await, named("v2", Duration::ZERO).await];
    for (version, backend) in ["v1", "v2"].into_iter().zip(&backends) {
        one.register("auth", version, &backend.url).await;
    }
    wait_until(bound, "the first version", async || serves(&other, "v1").await).await;
    let mut took = Vec::new();
    for change in 0..changes {
        let version = ["v2", "v1"][usize::from(change % 2 == 1)];
        one.switch("auth", version).await;
        took.push(wait_until(bound, "the switch", async || serves(&other, version).await).await);
    }
    let (median, p99, slowest) = spread(took);
    println!(
        "{kind:?}: {changes} changes, served by the other gateway after median {median:.1?}, p99 {p99:.1?}, slowest \
         {slowest:.1?}"
    );
    assert!(median <= mostly, "{median:?}");
}

async fn on_each(changes: u64) {
    for (kind, mostly, bound) in BOUNDS {
        if kind.is_available() {
            campaign(kind, mostly, bound, changes).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_soon_serves_what_another_answered() {
    on_each(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn a_gateway_soon_serves_each_of_a_hundred_changes_that_another_answered() {
    on_each(figure("CANARY_CAMPAIGN_FOLLOWED", 100)).await;
}
