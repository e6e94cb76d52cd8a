//! The status of background duties.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;
use tower_canary::deployments::{DutyStatus, SnapshotCache};
use tower_canary::health::Health;
use tower_canary::routing::Change;
use tower_canary::store::{
    Applied, ChangeRequest, HistoryEntry, LastGood, MemoryStore, RouteStore, Snapshot, StoreError,
};
use tower_canary::{Deployments, Draw, NoVersionCheck, ServiceName};

use crate::support::*;

/// A store that hangs or panics on request.
#[derive(Debug, Default)]
struct Unreliable {
    inner: MemoryStore,
    hangs: AtomicBool,
    panics: AtomicBool,
}

#[async_trait]
impl RouteStore for Unreliable {
    async fn load(&self, after: u64) -> Result<Snapshot, StoreError> {
        assert!(!self.panics.load(Ordering::Relaxed), "the store's own fault");
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.inner.load(after).await
    }

    async fn commit(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError> {
        self.inner.commit(service, request).await
    }

    async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        self.inner.history(service, before, limit).await
    }
}

/// A cache that cannot be written.
#[derive(Debug)]
struct Full;

#[async_trait]
impl SnapshotCache for Full {
    async fn save(&self, _: &LastGood) -> Result<(), Box<dyn Error + Send + Sync>> {
        Err("disk full".into())
    }

    async fn load(&self) -> Result<Option<LastGood>, Box<dyn Error + Send + Sync>> {
        Ok(None)
    }
}

fn status(deployments: &Deployments, name: &str) -> DutyStatus {
    deployments.duties().into_iter().find(|duty| duty.name == name).unwrap()
}

fn names(deployments: &Deployments) -> Vec<&str> {
    deployments.duties().iter().map(|duty| duty.name).collect()
}

#[tokio::test(start_paused = true)]
async fn duties_that_run_are_listed() {
    let plain = Deployments::in_memory(Draw::Exact);
    assert!(plain.duties().is_empty());
    plain.clone().run(sleep(Duration::from_secs(30))).await;
    assert_eq!(names(&plain), ["refresh", "sample"]);
    let refresh = status(&plain, "refresh");
    assert!((25..=37).contains(&refresh.runs), "{refresh:?}");
    assert_eq!((refresh.failures, refresh.last_error), (0, None));
    assert!(refresh.last_run.unwrap() <= Duration::from_millis(1_200));
    assert!((14..=15).contains(&status(&plain, "sample").runs));

    let named =
        Deployments::builder(MemoryStore::new(), NoVersionCheck).with_replica_name("a").with_cache(Full);
    let named = named.start().await.unwrap();
    named.clone().run(sleep(Duration::from_secs(30))).await;
    assert_eq!(names(&named), ["refresh", "report", "sample", "save-snapshot"]);
    assert!((6..=8).contains(&status(&named, "report").runs));

    let judging = Deployments::builder(MemoryStore::new(), NoVersionCheck).with_health(Health::new());
    let judging = judging.start().await.unwrap();
    let register = ChangeRequest::new(Change::Register(registration(0)), "alice");
    judging.apply(&"auth".parse().unwrap(), register).await.unwrap();
    judging.clone().run(sleep(Duration::from_secs(30))).await;
    assert_eq!(names(&judging), ["check-health", "refresh", "sample"]);
    let runs = status(&judging, "check-health").runs;
    assert!((29..=33).contains(&runs), "{runs}");
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_and_the_last_one_is_named() {
    let store = Arc::new(Unreliable::default());
    let deployments =
        Deployments::builder(Arc::clone(&store), NoVersionCheck).with_cache(Full).start().await.unwrap();
    let register = ChangeRequest::new(Change::Register(registration(0)), "alice");
    deployments.apply(&"auth".parse().unwrap(), register).await.unwrap();
    spawn(deployments.clone().run(std::future::pending()));
    store.panics.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(60)).await;
    let refresh = status(&deployments, "refresh");
    assert!(refresh.consecutive_failures >= 15 && refresh.failures == refresh.runs, "{refresh:?}");
    assert_eq!(refresh.last_error.as_deref(), Some("it panicked: the store's own fault"));
    let save = status(&deployments, "save-snapshot");
    assert_eq!((save.runs, save.failures), (1, 1), "not again before the next publication");
    assert_eq!(save.last_error.as_deref(), Some("disk full"));

    store.panics.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(5)).await;
    let refresh = status(&deployments, "refresh");
    assert_eq!(refresh.consecutive_failures, 0);
    assert!(refresh.last_error.is_some(), "the last failure stays readable");
}

#[tokio::test(start_paused = true)]
async fn duty_that_hangs_delays_no_other() {
    let store = Arc::new(Unreliable::default());
    let deployments = Deployments::start(Arc::clone(&store), NoVersionCheck).await.unwrap();
    spawn(deployments.clone().run(std::future::pending()));
    store.hangs.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(status(&deployments, "refresh").runs, 0);
    assert!((29..=30).contains(&status(&deployments, "sample").runs));
}

// Periods are clamped to a day.
#[tokio::test(start_paused = true)]
async fn routes_are_stale_after_three_periods() {
    const DAY: Duration = Duration::from_hours(24);
    let deployments = Deployments::in_memory(Draw::Exact);
    for (period, limit) in [
        (Duration::ZERO, Duration::from_secs(5)),
        (Duration::from_secs(10), Duration::from_secs(30)),
        (Duration::MAX, 3 * DAY),
    ] {
        deployments.clone().run_every(period, async {}).await;
        deployments.refresh().await.unwrap();
        sleep(limit).await;
        assert!(!deployments.is_stale(), "{period:?}");
        sleep(Duration::from_secs(1)).await;
        assert!(deployments.is_stale(), "{period:?}");
    }
}
