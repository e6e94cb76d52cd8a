//! All cases.

use std::pin::Pin;

use super::{changes, history, refusals, replicas, rules};
use crate::store::routes::RouteStore;

/// How many sequences of random changes are tried.
const SEQUENCES: u64 = 24;

type Case = for<'a> fn(&'a dyn RouteStore) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

macro_rules! cases {
    ($($case:path),+ $(,)?) => { &[$(|store| Box::pin($case(store))),+] };
}

const ROUTES: &[Case] = cases![
    changes::empty_store_is_at_revision_zero,
    changes::first_registration_creates_service,
    changes::unknown_service_is_refused,
    changes::refused_change_stores_nothing,
    changes::generation_conflict_has_both_numbers,
    changes::no_op_adds_no_history,
    changes::load_returns_only_later_changes,
    changes::versions_keep_registration_order,
    changes::concurrent_writers_are_serialized,
    history::history_is_paged_latest_first,
    history::history_records_the_whole_change,
];

const REFUSALS: &[Case] = cases![
    refusals::refusals_are_stored_latest_first,
    refusals::refusal_texts_are_truncated,
    refusals::last_1_000_refusals_are_stored,
];

const REPLICAS: &[Case] =
    cases![replicas::replicas_show_their_last_report, replicas::draining_lasts_until_next_report];

/// Runs every case against a store that `new_store` creates, which must be empty each time.
///
/// The cases of [`RefusalLog`](crate::store::RefusalLog) and [`ReplicaRegistry`](crate::store::ReplicaRegistry) run if the
/// store has them.
///
/// # Panics
///
/// If the store breaks the contract.
///
/// See the [module docs](super) for an example.
pub async fn run_all<S: RouteStore>(new_store: impl AsyncFn() -> S) {
    let store = new_store().await;
    let refusals = if store.refusal_log().is_some() { REFUSALS } else { &[] };
    let replicas = if store.replica_registry().is_some() { REPLICAS } else { &[] };
    drop(store);
    for case in ROUTES.iter().chain(refusals).chain(replicas) {
        case(&new_store().await).await;
    }
    for seed in 0..SEQUENCES {
        rules::changes_match_the_split_rules(&new_store().await, rules::random_changes(seed)).await;
    }
}
