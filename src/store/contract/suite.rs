//! All cases.

use std::pin::Pin;

use super::{changes, history, instances, mirrors, refusals, removal, replicas, rollouts, rules};
use crate::store::routes::RouteStore;

/// How many sequences of random changes are tried.
const SEQUENCES: u64 = 24;

/// A case: it gets an empty store, and panics where the store breaks the contract.
type Case = for<'a> fn(&'a dyn RouteStore) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

macro_rules! cases {
    ($($case:path),+ $(,)?) => { &[$(|store| Box::pin($case(store))),+] };
}

/// The cases for every store.
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
    instances::version_keeps_all_base_urls,
    instances::added_base_urls_are_not_lost,
    instances::last_base_url_stays,
    instances::history_has_all_base_urls,
    mirrors::mirror_is_stored,
    mirrors::mirror_ends_with_its_version,
    mirrors::history_has_the_mirror,
    removal::removed_service_keeps_its_history,
    removal::removed_service_starts_again,
];

/// The cases for a store with a log of refused changes.
const REFUSALS: &[Case] = cases![
    refusals::refusals_are_stored_latest_first,
    refusals::refusals_are_paged_by_id,
    refusals::refusal_texts_are_truncated,
    refusals::last_1_000_refusals_are_stored,
];

/// The cases for a store with a registry of replicas.
const REPLICAS: &[Case] = cases![
    replicas::replicas_show_their_last_report,
    replicas::draining_lasts_until_next_report,
    replicas::draining_base_urls_last_until_next_report,
    replicas::admin_url_lasts_until_next_report,
    replicas::figures_last_until_next_report,
];

/// The cases for a store with rollouts.
const ROLLOUTS: &[Case] = cases![
    rollouts::rollout_is_stored_with_all_values,
    rollouts::service_has_one_live_rollout,
    rollouts::rollout_start_is_refused,
    rollouts::rollout_turn_fences_writers,
    rollouts::rollout_write_stores_all_values,
    rollouts::rollout_write_is_loaded_as_decided,
    rollouts::refused_rollout_write_stores_nothing,
    rollouts::rollout_lease_has_one_leader,
    rollouts::last_50_rollouts_are_stored,
    rollouts::rollout_texts_are_limited,
];

/// Runs every case against a store that `new_store` creates, which must be empty each time.
///
/// The cases of [`RefusalLog`](crate::store::RefusalLog), [`ReplicaRegistry`](crate::store::ReplicaRegistry) and
/// [`RolloutStore`](crate::store::RolloutStore) run if the store has them.
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
    let rollouts = if store.rollout_store().is_some() { ROLLOUTS } else { &[] };
    drop(store);
    for case in ROUTES.iter().chain(refusals).chain(replicas).chain(rollouts) {
        case(&new_store().await).await;
    }
    for seed in 0..SEQUENCES {
        rules::changes_match_the_split_rules(&new_store().await, rules::random_changes(seed)).await;
    }
}
