//! Versions with several base URLs.

use std::collections::BTreeSet;

use super::support::{apply, auth, by_alice, contents, register, version};
use crate::routing::{Backend, Change, ChangeError, Instances, InvalidInstances, Registration, Split};
use crate::store::error::StoreError;
use crate::store::routes::RouteStore;

/// A version keeps all of its base URLs in their order: the URLs of its registration, and those that are set later,
/// also [`Instances::MAX`] URLs of [`Backend::MAX_LEN`] bytes.
///
/// See the [module docs](super) for an example.
pub async fn version_keeps_all_base_urls(store: &dyn RouteStore) {
    let applied = register_at(store, urls(0..3)).await;
    assert_eq!(applied.versions()[0].instances, urls(0..3), "the base URLs of a registration");
    assert_loads(store, &applied).await;
    for expected in [longest(), urls([7, 1]), urls([1]), urls([1, 0])] {
        let applied = apply(store, Change::set_urls(version("v1.0"), expected.clone())).await.after;
        assert_eq!(applied.versions()[0].instances, expected, "base URLs that were set");
        assert_loads(store, &applied).await;
    }
}

/// Programs that add and remove base URLs at the same time do not undo each other. Adding URLs that the version has,
/// and removing URLs that it does not have, stores nothing.
///
/// See the [module docs](super) for an example.
pub async fn added_base_urls_are_not_lost(store: &dyn RouteStore) {
    register_at(store, urls([0])).await;
    tokio::join!(
        add_and_remove(store, 1..6),
        add_and_remove(store, 6..11),
        add_and_remove(store, 11..16),
        add_and_remove(store, 16..21)
    );
    let split = store.load(0).await.unwrap().splits.remove(0);
    let found: BTreeSet<&str> = split.versions()[0].instances.iter().map(Backend::as_str).collect();
    let expected = urls([0, 5, 10, 15, 20]);
    let expected: BTreeSet<&str> = expected.iter().map(Backend::as_str).collect();
    assert_eq!(found, expected, "the first base URL, and the last one of each program, in any order");
    let before = contents(store).await;
    apply(store, Change::add_urls(version("v1.0"), urls([20, 0]))).await;
    apply(store, Change::remove_urls(version("v1.0"), urls([1, 99]))).await;
    assert_eq!(contents(store).await, before, "a change that changes nothing must store nothing");
}

/// Adds a base URL for each number, and removes the one before. The version keeps the last one.
async fn add_and_remove(store: &dyn RouteStore, numbers: std::ops::Range<usize>) {
    let mut earlier = None;
    for number in numbers {
        apply(store, Change::add_urls(version("v1.0"), urls([number]))).await;
        if let Some(earlier) = earlier.replace(number) {
            apply(store, Change::remove_urls(version("v1.0"), urls([earlier]))).await;
        }
    }
}

/// The last base URL of a version cannot be removed, and no more than 64 can be added. A refused change stores nothing.
///
/// See the [module docs](super) for an example.
pub async fn last_base_url_stays(store: &dyn RouteStore) {
    register_at(store, urls(0..2)).await;
    let before = contents(store).await;
    let last = Change::remove_urls(version("v1.0"), urls(0..3));
    let refused = store.commit(&auth(), &by_alice(last)).await;
    assert!(
        matches!(refused, Err(StoreError::Refused(ChangeError::LastInstance(_)))),
        "all base URLs are removed: {refused:?}"
    );
    let too_many = Change::add_urls(version("v1.0"), urls(2..66));
    let refused = store.commit(&auth(), &by_alice(too_many)).await;
    let expected = ChangeError::Instances(InvalidInstances::TooMany { count: 66 });
    assert!(
        matches!(&refused, Err(StoreError::Refused(error)) if *error == expected),
        "66 base URLs: {refused:?}"
    );
    assert_eq!(contents(store).await, before, "a refused change must store nothing");
}

/// The history has all base URLs before and after a change, so that they can be restored.
///
/// See the [module docs](super) for an example.
pub async fn history_has_all_base_urls(store: &dyn RouteStore) {
    let first = register_at(store, urls(0..3)).await;
    let moved = apply(store, Change::set_urls(version("v1.0"), urls(3..8))).await.after;
    let entry = store.history(&auth(), None, 1).await.unwrap().remove(0);
    let found = (entry.kind.as_str(), entry.before.clone(), entry.after);
    assert_eq!(found, ("set-urls", first.shares(), moved.shares()), "the entry of a change of base URLs");
    let restored = apply(store, Change::restore_shares(first.generation(), entry.before)).await.after;
    assert_eq!(restored.shares(), first.shares(), "the base URLs that the history had");
    assert_loads(store, &restored).await;
}

/// Registers `v1.0` of `auth` at `instances`, and `v1.1` after it.
async fn register_at(store: &dyn RouteStore, instances: Instances) -> Split {
    let first = Registration::new(version("v1.0"), instances.first().clone()).with_instances(instances);
    apply(store, Change::Register(first)).await;
    apply(store, register("v1.1")).await.after
}

/// Asserts that the store returns a split with each value as it was committed.
async fn assert_loads(store: &dyn RouteStore, expected: &Split) {
    let loaded = store.load(0).await.unwrap().splits;
    assert_eq!(loaded, std::slice::from_ref(expected), "a split must be loaded as it was committed");
}

/// Returns a base URL for each number.
fn urls(numbers: impl IntoIterator<Item = usize>) -> Instances {
    let backends = numbers.into_iter().map(|number| format!("http://10.0.1.{number}:8080/b/").parse());
    Instances::new(backends.collect::<Result<_, _>>().unwrap()).unwrap()
}

/// Returns as many base URLs as a version can have, each as long as one can be.
fn longest() -> Instances {
    let backends = (0..Instances::MAX).map(|number| {
        let start = format!("http://10.0.2.{number}/");
        format!("{start}{}", "p".repeat(Backend::MAX_LEN - start.len())).parse()
    });
    Instances::new(backends.collect::<Result<_, _>>().unwrap()).unwrap()
}
