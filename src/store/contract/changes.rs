//! Loading splits and committing changes.

use super::support::{
    apply, assert_total, auth, by_alice, contents, register, set_weight, two_versions, version,
};
use crate::routing::{Change, ChangeError, Registration, Split};
use crate::store::error::StoreError;
use crate::store::routes::RouteStore;

/// An empty store is at revision 0 and has no splits.
///
/// See the [module docs](super) for an example.
pub async fn empty_store_is_at_revision_zero(store: &dyn RouteStore) {
    let snapshot = store.load(0).await.unwrap();
    let found = (snapshot.revision, snapshot.splits.len(), snapshot.broken.len());
    assert_eq!(found, (0, 0, 0), "revision, splits and broken splits of an empty store");
}

/// The first registration creates the service at generation 1, and the store is at revision 1.
///
/// See the [module docs](super) for an example.
pub async fn first_registration_creates_service(store: &dyn RouteStore) {
    let mut first = Registration::new(version("v1.0"), "http://10.0.0.1".parse().unwrap());
    first.health_path = Some("/healthz".parse().unwrap());
    let applied = apply(store, Change::Register(first)).await;
    let found = (applied.before.generation(), applied.after.generation(), applied.revision);
    assert_eq!(found, (0, 1, 1), "generation before and after the first change, and revision");
    assert_eq!(applied.before.salt(), applied.after.salt(), "a change must keep the salt");
    let loaded = store.load(0).await.unwrap();
    let expected = (1, vec![applied.after]);
    assert_eq!((loaded.revision, loaded.splits), expected, "a split must be loaded as it was committed");
}

/// A change other than a registration, and the history, of a service that does not exist are refused.
///
/// See the [module docs](super) for an example.
pub async fn unknown_service_is_refused(store: &dyn RouteStore) {
    let refused = store.commit(&auth(), &by_alice(set_weight("v1.0", "10"))).await;
    assert!(matches!(refused, Err(StoreError::UnknownService(_))), "a change of no service: {refused:?}");
    let refused = store.history(&auth(), None, 10).await;
    assert!(matches!(refused, Err(StoreError::UnknownService(_))), "the history of no service: {refused:?}");
}

/// A refused change leaves splits, history and revision unchanged.
///
/// See the [module docs](super) for an example.
pub async fn refused_change_stores_nothing(store: &dyn RouteStore) {
    two_versions(store).await;
    let before = contents(store).await;
    let refused = store.commit(&auth(), &by_alice(register("v1.0"))).await;
    assert!(
        matches!(refused, Err(StoreError::Refused(ChangeError::DuplicateVersion(_)))),
        "a version that exists is registered: {refused:?}"
    );
    let refused = store.commit(&"new".parse().unwrap(), &by_alice(set_weight("v1.0", "10"))).await;
    assert!(matches!(refused, Err(StoreError::UnknownService(_))), "a change of no service: {refused:?}");
    assert_eq!(contents(store).await, before, "a refused change must store nothing");
}

/// A change that expects another generation is refused with both numbers. Then the expected one is accepted.
///
/// See the [module docs](super) for an example.
pub async fn generation_conflict_has_both_numbers(store: &dyn RouteStore) {
    two_versions(store).await;
    let before = contents(store).await;
    let request = by_alice(set_weight("v1.1", "10"));
    let refused = store.commit(&auth(), &request.clone().with_expected_generation(1)).await;
    assert!(
        matches!(refused, Err(StoreError::GenerationConflict { expected: 1, found: 2 })),
        "generation 1 is expected of a split at 2: {refused:?}"
    );
    assert_eq!(contents(store).await, before, "a refused change must store nothing");
    let applied = store.commit(&auth(), &request.with_expected_generation(2)).await.unwrap();
    assert_eq!(applied.after.generation(), 3, "a change must increment the generation");
}

/// A change that changes nothing succeeds, and adds neither history nor revision.
///
/// See the [module docs](super) for an example.
pub async fn no_op_adds_no_history(store: &dyn RouteStore) {
    two_versions(store).await;
    let before = contents(store).await;
    let applied = apply(store, Change::switch(version("v1.0"))).await;
    assert_eq!((applied.before, applied.revision), (applied.after, 2), "split and revision without a change");
    assert_eq!(contents(store).await, before, "a change that changes nothing must store nothing");
}

/// A load returns the splits that changed after a revision, ordered by name.
///
/// See the [module docs](super) for an example.
pub async fn load_returns_only_later_changes(store: &dyn RouteStore) {
    for service in ["beta", "alpha", "gamma"] {
        store.commit(&service.parse().unwrap(), &by_alice(register("v1.0"))).await.unwrap();
    }
    let all = store.load(0).await.unwrap();
    assert_eq!((all.revision, names(&all.splits)), (3, vec!["alpha", "beta", "gamma"]), "after revision 0");
    let later = store.load(1).await.unwrap();
    assert_eq!(names(&later.splits), ["alpha", "gamma"], "after revision 1");
    assert_eq!(store.load(3).await.unwrap().splits, [], "after the revision of the store");
    let ahead = store.load(9).await.unwrap();
    assert_eq!(
        (ahead.revision, ahead.splits),
        (3, vec![]),
        "after a revision that the store has not reached"
    );
}

/// Returns the names in the order of the snapshot.
fn names(splits: &[Split]) -> Vec<&str> {
    splits.iter().map(|split| split.service().as_str()).collect()
}

/// Versions stay in the order of their registration. A version that was removed and registered again is last.
///
/// See the [module docs](super) for an example.
pub async fn versions_keep_registration_order(store: &dyn RouteStore) {
    for name in ["z", "a", "m", "b", "y"] {
        apply(store, register(name)).await;
    }
    apply(store, Change::deactivate(version("m"))).await;
    apply(store, Change::remove(version("m"))).await;
    apply(store, register("m")).await;
    let split = store.load(0).await.unwrap().splits.remove(0);
    let order: Vec<_> = split.versions().iter().map(|version| version.name.as_str()).collect();
    assert_eq!(order, ["z", "a", "b", "y", "m"], "the order of the versions");
}

/// Four writers of one service lose no change: each is applied to the result of another.
///
/// See the [module docs](super) for an example.
pub async fn concurrent_writers_are_serialized(store: &dyn RouteStore) {
    two_versions(store).await;
    tokio::join!(
        set_25_weights(store, 1),
        set_25_weights(store, 26),
        set_25_weights(store, 51),
        set_25_weights(store, 76)
    );
    let last = store.load(0).await.unwrap();
    let found = (last.splits[0].generation(), last.revision);
    assert_eq!(found, (102, 102), "generation and revision after 2 and 100 changes");
}

/// Sets 25 different weights, from `first` percent on.
async fn set_25_weights(store: &dyn RouteStore, first: u32) {
    for percent in first..first + 25 {
        assert_total(&apply(store, set_weight("v1.1", &percent.to_string())).await.after);
    }
}
