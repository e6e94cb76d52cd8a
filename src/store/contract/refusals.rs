//! The log of refused changes.

use super::support::{auth, by_alice, contents, set_weight, two_versions, version};
use crate::routing::{Change, ServiceName, Split};
use crate::store::change_request::ChangeRequest;
use crate::store::refusals::{Refusal, RefusalLog};
use crate::store::routes::RouteStore;

/// Refused changes are stored latest first by service, apart from the history. Panics without a
/// [`refusal_log`](RouteStore::refusal_log), like each case of that trait.
///
/// See the [module docs](super) for an example.
pub async fn refusals_are_stored_latest_first(store: &dyn RouteStore) {
    let split = two_versions(store).await;
    let before = contents(store).await;
    let first = refuse(store, "auth", Some(&split), "e\u{301} \\ \" \r\n\u{7f}").await;
    let second = refuse(store, "auth", None, "").await;
    let unknown = refuse(store, "nobody", None, "unknown").await;
    assert_eq!((first.generation, first.shares.len(), second.generation), (Some(2), 2, None));
    let mut found = Vec::new();
    for (service, limit) in [("auth", 9), ("auth", 1), ("nobody", 9), ("orders", 9)] {
        found.push(page_without_ids(store, service, None, limit).await);
    }
    let expected = [vec![second.clone(), first], vec![second], vec![unknown], vec![]];
    assert_eq!(found, expected, "the refused changes of auth, one of them, of nobody, and of orders");
    assert_eq!(contents(store).await, before, "a refusal must not change splits or history");
}

/// [`Refusal::new`] truncates texts, and a store stores the longest ones that are left.
///
/// See the [module docs](super) for an example.
pub async fn refusal_texts_are_truncated(store: &dyn RouteStore) {
    let long = "\u{1f426}\0".repeat(2_000);
    let request = ChangeRequest::new(Change::remove(version("v1.0")), &*long);
    let request = request.with_reason(&*long).with_request_id(&*long);
    let refusal = Refusal::new(&auth(), &request, None, &long);
    log_of(store).record_refusal(&refusal).await.unwrap();
    let stored = page_without_ids(store, "auth", None, 1).await.remove(0);
    assert_eq!(stored, refusal, "a refusal with the longest texts must be stored as it is");
    let reason = stored.reason.unwrap();
    let request_id = stored.request_id.unwrap();
    let lengths = [&*stored.actor, &*reason, &*request_id, &*stored.why].map(count_birds);
    assert_eq!(lengths, [255, 1_000, 128, 1_000], "the lengths of actor, reason, request id and refusal");
}

/// Counts the birds in a text. Each has four bytes in UTF-8, so a store that counts bytes, or cuts a character, has
/// fewer.
fn count_birds(text: &str) -> usize {
    text.chars().filter(|character| *character == '\u{1f426}').count()
}

/// The last [`Refusal::RETAINED`] refused changes of all services together are stored.
///
/// See the [module docs](super) for an example.
pub async fn last_1_000_refusals_are_stored(store: &dyn RouteStore) {
    for number in 0..1_003 {
        let service = if number % 2 == 0 { "even" } else { "odd" };
        refuse(store, service, None, &number.to_string()).await;
    }
    let of_even = log_of(store).refusals(&service("even"), None, 2_000).await.unwrap();
    let of_odd = log_of(store).refusals(&service("odd"), None, 2_000).await.unwrap();
    assert_eq!((of_even.len(), of_odd.len()), (500, 500), "how many of 1,003 refused changes are stored");
    let numbers = (&*of_even[0].why, &*of_even[499].why, &*of_odd[499].why);
    assert_eq!(numbers, ("1002", "4", "3"), "the latest and the oldest refused changes");
}

/// Refused changes can be read in pages, by their ids.
///
/// See the [module docs](super) for an example.
pub async fn refusals_are_paged_by_id(store: &dyn RouteStore) {
    for number in 0..5 {
        refuse(store, "auth", None, &number.to_string()).await;
        refuse(store, "orders", None, "another service").await;
    }
    let all = log_of(store).refusals(&auth(), None, 9).await.unwrap();
    let ids: Vec<u64> = all.iter().map(|refusal| refusal.id).collect();
    assert!(
        ids.is_sorted_by(|later, earlier| later > earlier) && ids[4] > 0,
        "ids of refused changes: {ids:?}"
    );
    let mut pages = Vec::new();
    for before in [None, Some(ids[1]), Some(ids[3]), Some(ids[4]), Some(u64::MAX)] {
        let page = page_without_ids(store, "auth", before, 2).await;
        pages.push(page.into_iter().map(|refusal| refusal.why).collect::<Vec<_>>().join(" "));
    }
    assert_eq!(pages, ["4 3", "2 1", "0", "", "4 3"], "pages of two refused changes");
}

/// Returns a page of refused changes as they were recorded: without ids.
async fn page_without_ids(
    store: &dyn RouteStore,
    name: &str,
    before: Option<u64>,
    limit: u32,
) -> Vec<Refusal> {
    let page = log_of(store).refusals(&service(name), before, limit).await.unwrap();
    page.into_iter().map(|refusal| refusal.with_id(0)).collect()
}

fn service(name: &str) -> ServiceName {
    name.parse().unwrap()
}

/// Returns the log of a store that has one.
fn log_of(store: &dyn RouteStore) -> &dyn RefusalLog {
    store.refusal_log().unwrap_or_else(|| panic!("the store has no log of refused changes"))
}

/// Records that a change of the service `name` was refused because of `why`, and returns the record.
async fn refuse(store: &dyn RouteStore, name: &str, split: Option<&Split>, why: &str) -> Refusal {
    let request = by_alice(set_weight("v1.1", "10")).with_reason("\u{1f426} 'now'").with_request_id("7f3a");
    let refusal = Refusal::new(&service(name), &request, split, &why);
    log_of(store).record_refusal(&refusal).await.unwrap();
    refusal
}
