//! What the cases share.

use crate::routing::{Change, ServiceName, Split, VersionName, Weight};
use crate::store::applied::Applied;
use crate::store::change_request::ChangeRequest;
use crate::store::routes::RouteStore;

pub(super) fn auth() -> ServiceName {
    "auth".parse().unwrap()
}

pub(super) fn version(name: &str) -> VersionName {
    name.parse().unwrap()
}

pub(super) fn register(name: &str) -> Change {
    Change::register(version(name), "http://10.0.0.1:8080/base".parse().unwrap())
}

pub(super) fn set_weight(name: &str, percent: &str) -> Change {
    let weight: Weight = percent.parse().unwrap();
    Change::set_weight(version(name), weight)
}

/// Returns a request that needs no probe: the contract is about the store alone.
pub(super) fn by_alice(change: Change) -> ChangeRequest {
    ChangeRequest::new(change, "alice").without_check()
}

/// Commits `change` of `auth`.
pub(super) async fn apply(store: &dyn RouteStore, change: Change) -> Applied {
    match store.commit(&auth(), &by_alice(change.clone())).await {
        Ok(applied) => applied,
        Err(error) => panic!("the store refused to {change}: {error}"),
    }
}

/// Registers `v1.0`, which gets all traffic, and `v1.1`. The split and an empty store are at 2 then.
pub(super) async fn two_versions(store: &dyn RouteStore) -> Split {
    apply(store, register("v1.0")).await;
    apply(store, register("v1.1")).await.after
}

/// Returns the revision, all splits and the last 1,000 changes of `auth`, as a text with every field.
pub(super) async fn contents(store: &dyn RouteStore) -> String {
    let all = store.load(0).await.unwrap();
    let history = store.history(&auth(), None, 1_000).await;
    format!("{all:?} {history:?}")
}

/// Asserts the first rule of a split: the weights of its versions total 100 percent.
pub(super) fn assert_total(split: &Split) {
    let total: u32 = split.versions().iter().map(|version| u32::from(version.weight.hundredths())).sum();
    assert_eq!(total, 10_000, "the weights of a split must total 100 percent: {split:?}");
}
