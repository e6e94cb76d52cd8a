//! What ticks, orders and starts share.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::board::Board;
use super::error::RolloutError;
use super::gate::Gate;
use super::reported::ReportedServices;
use super::view::RolloutView;
use super::write::compose;
use crate::deployments::{Deployments, VersionProbe};
use crate::rollout::{Event, EventKind, GateName, Input, State, Transition};
use crate::routing::{Reason, ServiceName, Split};
use crate::store::{LeaseUse, RolloutStore, RolloutWritten};

/// The deployments, the gates of the application, and what this process has seen and read.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    /// The deployments whose splits the rollouts change.
    pub(super) deployments: Deployments,
    /// The gates of the application, by the names in plans.
    pub(super) gates: BTreeMap<GateName, Arc<dyn Gate>>,
    /// What this process has seen of the rollouts, for metrics and streams.
    pub(super) board: Arc<Board>,
    /// Of which services the gateways report figures.
    pub(super) reported: Arc<ReportedServices>,
}

impl Engine {
    /// Returns the store of the rollouts, or [`RolloutError::NoRolloutStore`]: a store of an application need not
    /// have them.
    pub(super) fn store(&self) -> Result<&dyn RolloutStore, RolloutError> {
        self.deployments.rollout_store().ok_or(RolloutError::NoRolloutStore)
    }

    /// Returns the id of this process, or [`RolloutError::NotAReplica`] if it reports nothing to the store.
    pub(super) fn replica(&self) -> Result<&str, RolloutError> {
        self.deployments.replica_id().ok_or(RolloutError::NotAReplica)
    }

    /// Returns the split of `service`: the one that this process serves if it has `generation` or a later one, and
    /// otherwise the one after a refresh, whichever generation it has. A service that was removed has a split without
    /// versions.
    pub(super) async fn split(&self, service: &ServiceName, generation: u64) -> Result<Split, RolloutError> {
        let served = || self.deployments.handle().route(service.as_str()).map(|route| route.split().clone());
        if let Some(split) = served().filter(|split| split.generation() >= generation) {
            return Ok(split);
        }
        self.deployments.refresh().await?;
        if self.deployments.freshness().broken.iter().any(|broken| broken.service == service.as_str()) {
            return Err(RolloutError::Broken(format!("the split of {service}")));
        }
        // A service that was removed has no versions.
        Ok(served().unwrap_or_else(|| Split::new(service.clone(), 0)))
    }

    /// Adds to `input` whether a layer of this process pins users.
    pub(super) fn with_pins(&self, input: Input) -> Input {
        input.with_pins(self.deployments.handle().has_rule(Reason::Pin))
    }

    /// Writes a transition of `rollout`, and logs its events. Returns the rollout after it, or `None` if it was
    /// overtaken: then nothing was written.
    ///
    /// The evidence is stored if the guard has observed a window, or the transition changes it.
    pub(super) async fn write(
        &self,
        mut rollout: RolloutView,
        mut transition: Transition,
        observed: bool,
        lease: LeaseUse,
    ) -> Result<Option<RolloutView>, RolloutError> {
        if let Some(event) = self.leader_event(&rollout, &lease, &transition.state) {
            // First, since this gateway did the rest: the last event of a rollout is its end.
            transition.events.insert(0, event);
        }
        let mut evidence = rollout.evidence.clone();
        transition.evidence.apply(&mut evidence);
        let is_stored = observed || evidence != rollout.evidence;
        let mut write = compose(&rollout, &transition, is_stored.then_some(&evidence))?;
        write.lease = lease;
        let (written, _) = self.deployments.write_rollout(write.clone()).await?;
        let RolloutWritten::Written { revision, .. } = written else { return Ok(None) };
        let generation = (!transition.changes.is_empty()).then(|| transition.state.generation());
        if generation.is_some() {
            rollout.stored.service_revision = revision;
        }
        rollout.stored.write(&write, generation, transition.state.ticked_at());
        log(&rollout, &transition.events);
        let rollout = RolloutView { state: transition.state, evidence, ..rollout };
        self.board.record_write(&rollout, self.replica()?);
        if rollout.stored.is_over() {
            // The rollout leaves the set of those that live. If that fails, the next refresh does it.
            let _ = self.deployments.refresh().await;
        }
        Ok(Some(rollout))
    }

    /// Returns the event that this process leads now, if the write claims the lease and another one had it.
    fn leader_event(&self, rollout: &RolloutView, lease: &LeaseUse, state: &State) -> Option<Event> {
        let LeaseUse::Claim { replica, .. } = lease else { return None };
        rollout.stored.leader.as_ref().filter(|leader| *leader != replica)?;
        let name = self.deployments.replica_name().unwrap_or_default();
        let text = format!("{name} leads now");
        Some(Event { kind: EventKind::Leader, number: state.number(), actor: None, text })
    }

    /// Returns whether the versions that the next change of the way back gives traffic pass their probes.
    pub(super) async fn are_targets_usable(
        &self,
        rollout: &RolloutView,
        split: &Split,
    ) -> Result<bool, RolloutError> {
        for version in rollout.state.targets(split) {
            let probes = self.deployments.check(split.service(), &version.name).await?;
            if !VersionProbe::suffice(&probes) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Logs the events of a write.
pub(super) fn log(rollout: &RolloutView, events: &[Event]) {
    for event in events {
        if matches!(event.kind, EventKind::Failed | EventKind::Stuck | EventKind::Unmeasured) {
            log_warning(rollout, event);
        } else {
            log_info(rollout, event);
        }
    }
}

/// Logs an event that a person should see. The text may quote a person, so it is escaped, as in [`log_info`].
fn log_warning(rollout: &RolloutView, event: &Event) {
    let stored = &rollout.stored;
    tracing::warn!(
        rollout = &*stored.id, service = %stored.service, canary = %stored.canary, kind = event.kind.as_str(),
        step = event.number, actor = event.actor.as_deref().map(tracing::field::debug), text = ?event.text, "rollout"
    );
}

/// Logs an event of a rollout that goes as planned.
fn log_info(rollout: &RolloutView, event: &Event) {
    let stored = &rollout.stored;
    tracing::info!(
        rollout = &*stored.id, service = %stored.service, canary = %stored.canary, kind = event.kind.as_str(),
        step = event.number, actor = event.actor.as_deref().map(tracing::field::debug), text = ?event.text, "rollout"
    );
}
