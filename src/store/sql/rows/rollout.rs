//! The rows of a rollout and of its events.

use std::time::Duration;

use sea_orm::{FromQueryResult, QueryResult};

use super::super::entity::{rollout, rollout_event};
use super::flaw::{Flaw, parse};
use super::number::to_unsigned;
use crate::common::time::from_millis;
use crate::store::{ActorKind, StoredRollout, StoredRolloutEvent};

/// The table, as errors name it.
const TABLE: &str = "gateway_rollout";

/// The name of the column with the revision of the rollout's service.
pub(crate) const SERVICE_REVISION: &str = "service_revision";

/// Interprets a row with the columns of a rollout, and the name and the revision of its service.
pub(crate) fn parse_rollout(row: &QueryResult) -> Result<StoredRollout, Flaw> {
    let model =
        rollout::Model::from_query_result(row, "").map_err(|cause| Flaw::new(TABLE, "?", "any", cause))?;
    let number = model.number;
    let service: String =
        row.try_get_by("service_name").map_err(|cause| Flaw::new(TABLE, number, "service_id", cause))?;
    let revision: i64 =
        row.try_get_by(SERVICE_REVISION).map_err(|cause| Flaw::new(TABLE, number, "service_id", cause))?;
    let service = parse(TABLE, number, "service_id", &service)?;
    let canary = parse(TABLE, number, "canary", &model.canary)?;
    let canary_id = parse(TABLE, number, "canary_id", &model.canary_id)?;
    let mut rollout = StoredRollout::from_stored(&model.id, service, canary, canary_id);
    rollout.service_revision = to_unsigned(revision);
    set_values(&mut rollout, model);
    Ok(rollout)
}

/// Sets every field that [`StoredRollout::from_stored`] does not, except the revision of the service.
fn set_values(rollout: &mut StoredRollout, model: rollout::Model) {
    rollout.number = to_unsigned(model.number);
    rollout.plan = model.plan;
    rollout.state = model.state;
    rollout.evidence = model.evidence;
    rollout.phase = model.phase;
    rollout.step = u32::try_from(model.step).unwrap_or(0);
    rollout.outcome = model.outcome;
    rollout.why = model.why;
    rollout.turn = to_unsigned(model.turn);
    rollout.start_generation = to_unsigned(model.start_generation);
    rollout.generation = to_unsigned(model.generation);
    rollout.leader = model.leader;
    rollout.lease_until = model.lease_until.map(from_millis);
    rollout.ticked_at = from_millis(model.ticked_at);
    rollout.held = Duration::from_millis(to_unsigned(model.held));
    rollout.actor = model.actor;
    rollout.actor_kind = model.actor_kind.as_deref().and_then(ActorKind::from_name);
    rollout.reason = model.reason;
    rollout.created_at = from_millis(model.created_at);
    rollout.over_at = model.over_at.map(from_millis);
}

/// Interprets the row of an event.
pub(crate) fn parse_event(row: rollout_event::Model) -> StoredRolloutEvent {
    let mut event = StoredRolloutEvent::from_stored(to_unsigned(row.turn), row.kind, row.text);
    event.position = u32::try_from(row.position).unwrap_or(0);
    event.at = from_millis(row.at);
    event.step = u32::try_from(row.step).unwrap_or(0);
    event.actor = row.actor;
    event
}
