//! Helpers for the tests of stores.

use tower_canary::routing::{Change, Split};
use tower_canary::store::{Applied, ChangeRequest, RouteStore};
use tower_canary::{ServiceName, VersionName, Weight};

pub(crate) fn auth() -> ServiceName {
    "auth".parse().unwrap()
}

pub(crate) fn version(name: &str) -> VersionName {
    name.parse().unwrap()
}

pub(crate) fn weight(percent: &str) -> Weight {
    percent.parse().unwrap()
}

pub(crate) fn register(name: &str) -> Change {
    Change::register(version(name), "http://10.0.0.1:8080/base".parse().unwrap())
}

pub(crate) fn set_weight(name: &str, percent: &str) -> Change {
    Change::set_weight(version(name), weight(percent))
}

pub(crate) fn by_alice(change: Change) -> ChangeRequest {
    ChangeRequest::new(change, "alice").without_check()
}

pub(crate) async fn apply(store: &dyn RouteStore, change: Change) -> Applied {
    store.commit(&auth(), &by_alice(change)).await.unwrap()
}

pub(crate) async fn two_versions(store: &dyn RouteStore) -> Split {
    apply(store, register("v1.0")).await;
    apply(store, register("v1.1")).await.after
}

/// All splits and the history of `auth`, as text that shows every field.
pub(crate) async fn everything(store: &dyn RouteStore) -> String {
    let all = store.load(0).await.unwrap();
    let history = store.history(&auth(), None, 1_000).await;
    format!("{all:?} {history:?}")
}

pub(crate) fn assert_totals(split: &Split) {
    let total: u32 = split.versions().iter().map(|v| u32::from(v.weight.hundredths())).sum();
    assert_eq!(total, 10_000, "{split:?}");
}

/// Tests a store that keeps the last three changes of each service.
pub(crate) async fn only_the_newest_changes_are_kept(store: &dyn RouteStore) {
    two_versions(store).await;
    let orders = "orders".parse().unwrap();
    store.commit(&orders, &by_alice(register("v1.0"))).await.unwrap();
    // The second to last request changes nothing.
    for (percent, kept) in
        [("10", vec![3, 2, 1]), ("20", vec![4, 3, 2]), ("20", vec![4, 3, 2]), ("30", vec![5, 4, 3])]
    {
        apply(store, set_weight("v1.1", percent)).await;
        assert_eq!(generations(store, &auth(), None).await, kept);
    }
    assert_eq!(generations(store, &orders, None).await, [1]);
    assert_eq!(generations(store, &auth(), Some(3)).await, [0; 0]);
}

async fn generations(store: &dyn RouteStore, service: &ServiceName, before: Option<u64>) -> Vec<u64> {
    let history = store.history(service, before, 10).await.unwrap();
    history.iter().map(|entry| entry.generation).collect()
}
