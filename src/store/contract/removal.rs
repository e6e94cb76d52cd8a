//! Removed services.

use super::support::{apply, auth, by_alice, register, set_weight, two_versions};
use crate::routing::{Change, Registration, Split};
use crate::store::error::StoreError;
use crate::store::routes::RouteStore;

/// The split of a removed service is loaded without versions. The service accepts no change but a registration, and its
/// history stays.
///
/// See the [module docs](super) for an example.
pub async fn removed_service_keeps_its_history(store: &dyn RouteStore) {
    two_versions(store).await;
    let removed = apply(store, Change::force_remove_service()).await;
    let found = (removed.after.is_removed(), removed.after.versions().len(), removed.revision);
    assert_eq!(found, (true, 0, 3), "removed, versions and revision of a removed service");
    let loaded = store.load(2).await.unwrap();
    assert_eq!(loaded.splits, [removed.after], "other gateways must learn of the removal");
    for change in [set_weight("v1.0", "10"), Change::Redraw, Change::force_remove_service()] {
        let refused = store.commit(&auth(), &by_alice(change)).await;
        assert!(matches!(refused, Err(StoreError::UnknownService(_))), "a removed service: {refused:?}");
    }
    let history = store.history(&auth(), None, 9).await.unwrap();
    let entries: Vec<_> =
        history.iter().map(|entry| (entry.kind.as_str(), entry.before.len(), entry.after.len())).collect();
    let expected = [("remove-service", 2, 0), ("register", 1, 2), ("register", 0, 1)];
    assert_eq!(entries, expected, "the history: each kind with the versions before and after");
}

/// A registration starts a removed service again: with another salt, without a health path, and at the next generation.
///
/// See the [module docs](super) for an example.
pub async fn removed_service_starts_again(store: &dyn RouteStore) {
    let mut first = Registration::new("v1.0".parse().unwrap(), "http://10.0.0.1".parse().unwrap());
    first.health_path = Some("/healthz".parse().unwrap());
    let before = apply(store, Change::Register(first)).await.after;
    apply(store, Change::force_remove_service()).await;
    let register = by_alice(register("v1.0"));
    let conflict = store.commit(&auth(), &register.clone().with_expected_generation(2)).await;
    assert!(
        matches!(conflict, Err(StoreError::GenerationConflict { expected: 2, found: 0 })),
        "a removed service is at generation 0 for its callers: {conflict:?}"
    );
    let again = store.commit(&auth(), &register.with_expected_generation(0)).await.unwrap().after;
    assert_starts_clean(&before, &again);
    assert_eq!(store.load(0).await.unwrap().splits, [again], "a split must be loaded as it was committed");
    let history = store.history(&auth(), None, 9).await.unwrap();
    let generations: Vec<_> = history.iter().map(|entry| entry.generation).collect();
    assert_eq!(generations, [3, 2, 1], "one history for all lives of a service");
}

/// Asserts that a service that was registered again has nothing of its earlier life but the generations.
fn assert_starts_clean(before: &Split, again: &Split) {
    let found = (again.is_removed(), again.generation(), again.health_path());
    assert_eq!(found, (false, 3, None), "removed, the generation and the health path");
    assert_ne!(again.salt(), before.salt(), "the salt");
    assert_ne!(again.versions()[0].id, before.versions()[0].id, "the identity of the version");
}
