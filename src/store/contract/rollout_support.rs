//! What the cases of rollouts share.

use std::time::Duration;

use super::support::{contents, set_weight};
use crate::routing::Split;
use crate::store::actor_kind::ActorKind;
use crate::store::change_request::ChangeRequest;
use crate::store::new_rollout::NewRollout;
use crate::store::rollout_columns::RolloutColumns;
use crate::store::rollout_write::{RolloutWrite, RolloutWritten};
use crate::store::rollouts::RolloutStore;
use crate::store::routes::RouteStore;

/// Returns the rollouts of a store that has some.
pub(super) fn rollouts_of(store: &dyn RouteStore) -> &dyn RolloutStore {
    store.rollout_store().unwrap_or_else(|| panic!("the store has no rollouts"))
}

pub(super) fn new_rollout(id: &str, split: &Split) -> NewRollout {
    let columns = RolloutColumns::new("{}", "waiting");
    NewRollout::new(id, split, &split.versions()[1], "{\"version\": \"v1.1\"}", columns, "alice")
}

/// Returns a change as the driver of a rollout makes it.
pub(super) fn by_rollout(percent: &str) -> ChangeRequest {
    let request = ChangeRequest::new(set_weight("v1.1", percent), "rollout:1").without_check();
    request.with_actor_kind(ActorKind::Rollout)
}

/// Creates the write that enters the first step, and sets the weight to 5 percent.
pub(super) fn step_write(id: &str, turn: u64, split: &Split) -> RolloutWrite {
    let columns = RolloutColumns::new("{}", "holding").with_step(1, Duration::ZERO);
    let write = RolloutWrite::new(id, split.service().clone(), turn, columns);
    write.with_changes(split.generation(), vec![by_rollout("5")])
}

/// Creates a write to the rollout `1` at `turn` that changes no split.
pub(super) fn waiting_write(turn: u64) -> RolloutWrite {
    RolloutWrite::new("1", "auth".parse().unwrap(), turn, RolloutColumns::new("{}", "waiting"))
}

/// Creates the write that ends the rollout.
pub(super) fn last_write(id: &str, turn: u64) -> RolloutWrite {
    let columns = RolloutColumns::new("{}", "over").with_outcome(Some("completed".into()));
    RolloutWrite::new(id, "auth".parse().unwrap(), turn, columns)
}

/// Makes a write that must not be overtaken.
pub(super) async fn write(store: &dyn RouteStore, write: &RolloutWrite) {
    let written = rollouts_of(store).write_rollout(write).await.unwrap();
    assert!(matches!(written, RolloutWritten::Written { .. }), "the write was overtaken: {write:?}");
}

/// Returns the services with a rollout that is not over, by the snapshot of the store.
pub(super) async fn services_with_rollout(store: &dyn RouteStore) -> Vec<String> {
    let services = store.load(0).await.unwrap().rollouts.unwrap_or_else(|| panic!("no rollouts were read"));
    services.iter().map(ToString::to_string).collect()
}

/// Returns the ids on a page of rollouts of `auth`.
pub(super) async fn listed_ids(store: &dyn RouteStore, before: Option<u64>, limit: u32) -> Vec<String> {
    let page = rollouts_of(store).rollouts(&"auth".parse().unwrap(), before, limit).await.unwrap();
    page.into_iter().map(|rollout| rollout.id).collect()
}

/// Returns all splits with their history, the rollout `1` and its events as a text.
pub(super) async fn everything(store: &dyn RouteStore) -> String {
    let rollout = rollouts_of(store).rollout("1").await.unwrap();
    let events = rollouts_of(store).rollout_events("1", 100).await.unwrap();
    format!("{} {rollout:?} {events:?}", contents(store).await)
}
