//! The history of a service.

use super::support::{apply, auth, by_alice, set_weight, two_versions};
use crate::store::actor_kind::ActorKind;
use crate::store::history::HistoryEntry;
use crate::store::routes::RouteStore;

/// The history is latest first, and can be read in pages.
///
/// See the [module docs](super) for an example.
pub async fn history_is_paged_latest_first(store: &dyn RouteStore) {
    two_versions(store).await;
    apply(store, set_weight("v1.1", "10")).await;
    for (before, limit, expected) in [
        (None, 2, vec![3, 2]),
        (Some(2), 2, vec![1]),
        (Some(1), 2, vec![]),
        (Some(u64::MAX), 1, vec![3]),
        (None, 0, vec![]),
    ] {
        let page = store.history(&auth(), before, limit).await.unwrap();
        let generations: Vec<_> = page.iter().map(|entry| entry.generation).collect();
        assert_eq!(generations, expected, "the history before {before:?}, at most {limit}");
    }
}

/// An entry has all values of [`HistoryEntry::new`]: the sender, the reason, the kind, the version, the shares and
/// settings before and after, and the time that the changed version has.
///
/// See the [module docs](super) for an example.
pub async fn history_records_the_whole_change(store: &dyn RouteStore) {
    two_versions(store).await;
    let request = by_alice(set_weight("v1.1", "12.34"))
        .with_reason("watch it \u{1f426} 'closely'")
        .with_actor_kind(ActorKind::Person)
        .with_request_id("7f3a");
    let applied = store.commit(&auth(), &request).await.unwrap();
    let changed = applied.after.version("v1.1").unwrap();
    let expected = HistoryEntry::new(&request, &applied.before, &applied.after, changed.updated_at);
    let latest = store.history(&auth(), None, 1).await.unwrap();
    assert_eq!(latest, [expected], "the entry of a change must have all its values");
}
