//! Rollouts as a store returns them.

use std::time::{Duration, SystemTime};

use super::actor_kind::ActorKind;
use super::new_rollout::NewRollout;
use super::rollout_columns::NewRolloutEvent;
use super::rollout_write::{LeaseUse, RolloutWrite};
use crate::routing::{ServiceName, VersionId, VersionName};

/// A rollout as a store returns it. See [`RolloutStore`](super::RolloutStore) for an example.
///
/// All times are of the store's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredRollout {
    /// Its id.
    pub id: String,
    /// Its place among all rollouts of the store: a later one has a greater number.
    pub number: u64,
    /// The service.
    pub service: ServiceName,
    /// The version that is rolled out.
    pub canary: VersionName,
    /// The identity of that version.
    pub canary_id: VersionId,
    /// The plan.
    pub plan: String,
    /// The state.
    pub state: String,
    /// The evidence, once there is some.
    pub evidence: Option<String>,
    /// The word for the phase.
    pub phase: String,
    /// The number of the stage. 0 before the first one.
    pub step: u32,
    /// The word for the outcome. `Some`: the rollout is over.
    pub outcome: Option<String>,
    /// Why it is in this phase.
    pub why: Option<String>,
    /// The number of writes. The start is the first one.
    pub turn: u64,
    /// The generation of the split at the start.
    pub start_generation: u64,
    /// The generation of the split after the last change that the rollout made, or at the start.
    pub generation: u64,
    /// The revision of the store at the last change of the service, whether a person or the rollout made it. A start,
    /// and the write that ends a rollout, count too.
    pub service_revision: u64,
    /// The id of the replica that claimed the lease last.
    pub leader: Option<String>,
    /// When that lease ends.
    pub lease_until: Option<SystemTime>,
    /// When a leader wrote last, or the start.
    pub ticked_at: SystemTime,
    /// How long the stage was watched.
    pub held: Duration,
    /// Who started it.
    pub actor: String,
    /// What kind of sender the actor is. `None`: a later release knows the kind.
    pub actor_kind: Option<ActorKind>,
    /// Why it was started, if a reason was given.
    pub reason: Option<String>,
    /// When it was started.
    pub created_at: SystemTime,
    /// When it was over.
    pub over_at: Option<SystemTime>,
}

/// An event of a rollout as a store returns it. See [`RolloutStore`](super::RolloutStore) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredRolloutEvent {
    /// The turn of the write that recorded it.
    pub turn: u64,
    /// Its place among the events of that turn, from 0 on.
    pub position: u32,
    /// When it was recorded, by the store's clock.
    pub at: SystemTime,
    /// The word for its kind.
    pub kind: String,
    /// The number of the stage. 0 before the first one.
    pub step: u32,
    /// The person who caused it. `None`: the rollout itself.
    pub actor: Option<String>,
    /// What happened, in words.
    pub text: String,
}

impl StoredRollout {
    /// The turn of a rollout after its start.
    pub const FIRST_TURN: u64 = 1;

    /// How many rollouts of a service that are over a store keeps.
    pub const RETAINED: usize = 50;

    /// Creates the rollout that `new` starts under `number` at the time `at`. The store is at `revision` after the
    /// start.
    #[must_use]
    pub fn started(new: &NewRollout, number: u64, revision: u64, at: SystemTime) -> Self {
        let columns = &new.columns;
        Self {
            number,
            plan: new.plan.clone(),
            state: columns.state.clone(),
            evidence: columns.evidence.clone(),
            phase: columns.phase.clone(),
            step: columns.step,
            why: columns.why.clone(),
            start_generation: new.expected_generation,
            generation: new.expected_generation,
            service_revision: revision,
            ticked_at: at,
            held: columns.held,
            actor: new.actor.clone(),
            actor_kind: Some(new.actor_kind),
            reason: new.reason.clone(),
            created_at: at,
            ..Self::from_stored(&new.id, new.service.clone(), new.canary.clone(), new.canary_id)
        }
    }

    /// Creates a rollout of which only the identity is set, for a store that reads it back and sets the other fields.
    #[must_use]
    pub fn from_stored(id: &str, service: ServiceName, canary: VersionName, canary_id: VersionId) -> Self {
        Self {
            id: id.to_owned(),
            number: 0,
            service,
            canary,
            canary_id,
            plan: String::new(),
            state: String::new(),
            evidence: None,
            phase: String::new(),
            step: 0,
            outcome: None,
            why: None,
            turn: Self::FIRST_TURN,
            start_generation: 0,
            generation: 0,
            service_revision: 0,
            leader: None,
            lease_until: None,
            ticked_at: SystemTime::UNIX_EPOCH,
            held: Duration::ZERO,
            actor: String::new(),
            actor_kind: None,
            reason: None,
            created_at: SystemTime::UNIX_EPOCH,
            over_at: None,
        }
    }

    /// Returns whether the rollout is over.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.over_at.is_some()
    }

    /// Returns whether the replica `id` may lead the rollout at the time `now` of the store's clock: the lease is its own,
    /// has ended, or was never claimed. A lease of more than `length` from now on counts as ended, since the clock was set
    /// back.
    #[must_use]
    pub fn may_be_led_by(&self, id: &str, now: SystemTime, length: Duration) -> bool {
        let Some(leader) = &self.leader else { return true };
        // `None`: the lease has ended.
        let rest = self.lease_until.and_then(|until| until.duration_since(now).ok());
        leader == id || rest.is_none_or(|rest| rest > length)
    }

    /// Returns whether `write` may be made at the time `now` of the store's clock. If not, it is overtaken.
    #[must_use]
    pub fn admits(&self, write: &RolloutWrite, now: SystemTime) -> bool {
        let may_lead = match &write.lease {
            LeaseUse::Keep => true,
            LeaseUse::Claim { replica, length } => self.may_be_led_by(replica, now, *length),
        };
        let is_meant = self.id == write.id && self.service == write.service;
        may_lead && is_meant && self.turn == write.expected_turn && !self.is_over()
    }

    /// Makes a `write` that [is admitted](Self::admits), at the time `now` of the store's clock. `generation` is that of the
    /// split after the last change of the write. `None`: no split changed.
    pub fn write(&mut self, write: &RolloutWrite, generation: Option<u64>, now: SystemTime) {
        let columns = &write.columns;
        self.turn = self.turn.saturating_add(1);
        self.state.clone_from(&columns.state);
        self.phase.clone_from(&columns.phase);
        self.outcome.clone_from(&columns.outcome);
        self.why.clone_from(&columns.why);
        self.step = columns.step;
        self.held = columns.held;
        self.generation = generation.unwrap_or(self.generation);
        self.over_at = columns.outcome.as_ref().map(|_| now);
        if columns.evidence.is_some() {
            self.evidence.clone_from(&columns.evidence);
        }
        if let LeaseUse::Claim { replica, length } = &write.lease {
            self.leader = Some(replica.clone());
            self.lease_until = now.checked_add(*length);
            self.ticked_at = now;
        }
    }
}

impl StoredRolloutEvent {
    /// Creates an event of the write to `turn`, for a store that reads it back and sets the other fields.
    pub fn from_stored(turn: u64, kind: impl Into<String>, text: impl Into<String>) -> Self {
        let at = SystemTime::UNIX_EPOCH;
        Self { turn, position: 0, at, kind: kind.into(), step: 0, actor: None, text: text.into() }
    }

    /// Creates the event `new`, recorded at the time `at` by the write to `turn`.
    #[must_use]
    pub fn recorded(new: &NewRolloutEvent, turn: u64, position: u32, at: SystemTime) -> Self {
        Self {
            turn,
            position,
            at,
            kind: new.kind.clone(),
            step: new.step,
            actor: new.actor.clone(),
            text: new.text.clone(),
        }
    }
}
