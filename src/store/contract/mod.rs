//! A test suite for a [`RouteStore`](super::RouteStore) of an application (feature `testing`).
//!
//! [`run_all`] runs every case, each against an empty store. Each case is also a function of its own, so that a test
//! framework can name the one that fails. A case panics with a message if the store breaks the contract.
//!
//! ```toml
//! [dev-dependencies]
//! tower-canary = { version = "0.1", features = ["testing"] }
//! ```
//!
//! ```
//! use tower_canary::store::{MemoryStore, contract};
//!
//! // In a test: `#[tokio::test] async fn store_keeps_the_contract()`.
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! contract::run_all(async || MemoryStore::new()).await;
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! | a store must | case |
//! | --- | --- |
//! | start empty, at revision 0 | [`empty_store_is_at_revision_zero`] |
//! | create a service with its first version | [`first_registration_creates_service`] |
//! | report an unknown service | [`unknown_service_is_refused`] |
//! | store nothing of a refused change | [`refused_change_stores_nothing`], [`generation_conflict_has_both_numbers`] |
//! | store nothing if nothing changes | [`no_op_adds_no_history`] |
//! | load only later changes, ordered by service | [`load_returns_only_later_changes`] |
//! | keep versions in the order of their registration | [`versions_keep_registration_order`] |
//! | keep all base URLs of a version, and those that several writers add | [`version_keeps_all_base_urls`], [`added_base_urls_are_not_lost`], [`last_base_url_stays`], [`history_has_all_base_urls`] |
//! | keep the mirror of a split, until its version is deactivated or removed | [`mirror_is_stored`], [`mirror_ends_with_its_version`], [`history_has_the_mirror`] |
//! | serialize the writers of a service | [`concurrent_writers_are_serialized`] |
//! | return the history in pages, latest first, with all values | [`history_is_paged_latest_first`], [`history_records_the_whole_change`] |
//! | keep the history of a removed service, and start it again | [`removed_service_keeps_its_history`], [`removed_service_starts_again`] |
//! | make the splits that the rules make | [`changes_match_the_split_rules`] |
//!
//! Cases of the optional traits run if the store has them:
//!
//! | trait | case |
//! | --- | --- |
//! | [`RefusalLog`](super::RefusalLog) | [`refusals_are_stored_latest_first`], [`refusals_are_paged_by_id`], [`refusal_texts_are_truncated`], [`last_1_000_refusals_are_stored`] |
//! | [`ReplicaRegistry`](super::ReplicaRegistry) | [`replicas_show_their_last_report`], [`draining_lasts_until_next_report`], [`draining_base_urls_last_until_next_report`], [`admin_url_lasts_until_next_report`], [`figures_last_until_next_report`] |
//! | [`RolloutStore`](super::RolloutStore) | [`rollout_is_stored_with_all_values`], [`service_has_one_live_rollout`], [`rollout_start_is_refused`], [`rollout_turn_fences_writers`], [`rollout_write_stores_all_values`], [`rollout_write_is_loaded_as_decided`], [`refused_rollout_write_stores_nothing`], [`rollout_lease_has_one_leader`], [`last_50_rollouts_are_stored`], [`rollout_texts_are_limited`] |
//!
//! # Stores with a resource
//!
//! The function that is given to [`run_all`] creates an empty store. A resource that must outlive the store, such as a
//! temporary folder, can be collected outside:
//!
//! ```
//! # use tower_canary::store::MemoryStore;
//! # struct Folder;
//! # impl Folder { fn new() -> Self { Self } }
//! # fn open(_: &Folder) -> MemoryStore { MemoryStore::new() }
//! use std::sync::Mutex;
//!
//! use tower_canary::store::contract;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let folders = Mutex::new(Vec::new());
//! let new_store = async || {
//!     let folder = Folder::new();
//!     let store = open(&folder);
//!     folders.lock().unwrap().push(folder);
//!     store
//! };
//! contract::run_all(new_store).await;
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a case panics if the store breaks the contract: the module says so once"
)]

mod changes;
mod history;
mod instances;
mod mirrors;
mod refusals;
mod removal;
mod replicas;
mod rollout_support;
mod rollouts;
mod rules;
mod suite;
mod support;

pub use self::changes::{
    concurrent_writers_are_serialized, empty_store_is_at_revision_zero, first_registration_creates_service,
    generation_conflict_has_both_numbers, load_returns_only_later_changes, no_op_adds_no_history,
    refused_change_stores_nothing, unknown_service_is_refused, versions_keep_registration_order,
};
pub use self::history::{history_is_paged_latest_first, history_records_the_whole_change};
pub use self::instances::{
    added_base_urls_are_not_lost, history_has_all_base_urls, last_base_url_stays, version_keeps_all_base_urls,
};
pub use self::mirrors::{history_has_the_mirror, mirror_ends_with_its_version, mirror_is_stored};
pub use self::refusals::{
    last_1_000_refusals_are_stored, refusal_texts_are_truncated, refusals_are_paged_by_id,
    refusals_are_stored_latest_first,
};
pub use self::removal::{removed_service_keeps_its_history, removed_service_starts_again};
pub use self::replicas::{
    admin_url_lasts_until_next_report, draining_base_urls_last_until_next_report,
    draining_lasts_until_next_report, figures_last_until_next_report, replicas_show_their_last_report,
};
pub use self::rollouts::{
    last_50_rollouts_are_stored, refused_rollout_write_stores_nothing, rollout_is_stored_with_all_values,
    rollout_lease_has_one_leader, rollout_start_is_refused, rollout_texts_are_limited,
    rollout_turn_fences_writers, rollout_write_is_loaded_as_decided, rollout_write_stores_all_values,
    service_has_one_live_rollout,
};
pub use self::rules::{changes_match_the_split_rules, random_changes};
pub use self::suite::run_all;
