//! Mirrors of splits.

use super::support::{apply, auth, by_alice, two_versions, version};
use crate::routing::{Change, ChangeError, MirrorShare, Weight};
use crate::store::error::StoreError;
use crate::store::routes::RouteStore;

/// A mirror is loaded as it was committed.
///
/// See the [module docs](super) for an example.
pub async fn mirror_is_stored(store: &dyn RouteStore) {
    two_versions(store).await;
    let share = Weight::from_hundredths(1_234).unwrap();
    let mirrored = apply(store, Change::set_mirror(version("v1.1"), share)).await.after;
    let expected = MirrorShare::new(version("v1.1"), share);
    assert_eq!((mirrored.generation(), mirrored.mirror()), (3, Some(&expected)), "the mirror of the split");
    assert_eq!(store.load(2).await.unwrap().splits, [mirrored], "other gateways must learn of the mirror");
}

/// A mirror ends with its version, and one of an inactive version is refused.
///
/// See the [module docs](super) for an example.
pub async fn mirror_ends_with_its_version(store: &dyn RouteStore) {
    two_versions(store).await;
    let set = Change::set_mirror(version("v1.1"), Weight::FULL);
    apply(store, set.clone()).await;
    let ended = apply(store, Change::deactivate(version("v1.1"))).await.after;
    assert_eq!(ended.mirror(), None, "the mirror of an inactive version");
    assert_eq!(store.load(0).await.unwrap().splits, [ended], "a split must be loaded as it was committed");
    let refused = store.commit(&auth(), &by_alice(set)).await;
    assert!(
        matches!(refused, Err(StoreError::Refused(ChangeError::MirrorInactive(_)))),
        "a mirror of an inactive version: {refused:?}"
    );
}

/// The history has the mirror before and after a change, from which it can be restored.
///
/// See the [module docs](super) for an example.
pub async fn history_has_the_mirror(store: &dyn RouteStore) {
    two_versions(store).await;
    apply(store, Change::set_mirror(version("v1.1"), Weight::FULL)).await;
    apply(store, Change::remove_mirror()).await;
    let history = store.history(&auth(), None, 2).await.unwrap();
    let mirror = Some(MirrorShare::new(version("v1.1"), Weight::FULL));
    let recorded: Vec<_> =
        history.iter().map(|entry| (entry.kind.as_str(), entry.version.as_ref())).collect();
    assert_eq!(recorded, [("set-mirror", None), ("set-mirror", Some(&version("v1.1")))], "the entries");
    let settings = history[1].settings_after.clone().unwrap();
    assert_eq!(settings.mirror, mirror, "the settings after the change");
    assert_eq!(history[0].settings_before.as_ref(), Some(&settings), "the settings before the next change");
    let shares = history[1].after.clone();
    let restore = Change::restore_recorded(3, shares, Some(settings), Some(history[1].at));
    assert_eq!(apply(store, restore).await.after.mirror(), mirror.as_ref(), "the restored mirror");
}
