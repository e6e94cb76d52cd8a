//! A rollout that starts.

use super::actor_kind::ActorKind;
use super::change_request::{MAX_ACTOR, MAX_REASON, check_text};
use super::error::StoreError;
use super::rollout_columns::{MAX_DOCUMENT, MAX_ID, NewRolloutEvent, RolloutColumns};
use crate::routing::{ServiceName, Split, Version, VersionId, VersionName};

/// A rollout that starts. See [`RolloutStore`](super::RolloutStore) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewRollout {
    /// Its id, which no other rollout of the store has, for example a UUID: at most 36 characters.
    pub id: String,
    /// The service.
    pub service: ServiceName,
    /// The version that is rolled out.
    pub canary: VersionName,
    /// The identity of that version.
    pub canary_id: VersionId,
    /// The rollout is refused if the split is at another generation.
    pub expected_generation: u64,
    /// The values that later writes replace. The outcome is not stored, since a rollout that starts is not over.
    pub columns: RolloutColumns,
    /// The plan, as a text that the store does not read: at most 1,048,576 characters.
    pub plan: String,
    /// The first events, in order.
    pub events: Vec<NewRolloutEvent>,
    /// The actor that starts it: at most [`MAX_ACTOR`] characters.
    pub actor: String,
    /// What kind of sender the actor is.
    pub actor_kind: ActorKind,
    /// Why: at most [`MAX_REASON`] characters.
    pub reason: Option<String>,
}

impl NewRollout {
    /// Creates a rollout of `canary`, which `split` has, at the generation of that split.
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        split: &Split,
        canary: &Version,
        plan: impl Into<String>,
        columns: RolloutColumns,
        actor: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            service: split.service().clone(),
            canary: canary.name.clone(),
            canary_id: canary.id,
            expected_generation: split.generation(),
            columns,
            plan: plan.into(),
            events: Vec::new(),
            actor: actor.into(),
            actor_kind: ActorKind::default(),
            reason: None,
        }
    }

    /// Sets the first events.
    #[must_use]
    pub fn with_events(self, events: Vec<NewRolloutEvent>) -> Self {
        Self { events, ..self }
    }

    /// Sets what kind of sender the actor is.
    #[must_use]
    pub fn with_actor_kind(self, actor_kind: ActorKind) -> Self {
        Self { actor_kind, ..self }
    }

    /// Sets the reason.
    #[must_use]
    pub fn with_reason(self, reason: Option<String>) -> Self {
        Self { reason, ..self }
    }

    /// Checks the lengths of all texts. A store calls it before it writes.
    ///
    /// # Errors
    ///
    /// [`StoreError::TextRefused`] for a text that is too long or contains a NUL.
    pub fn check(&self) -> Result<(), StoreError> {
        check_text("rollout id", &self.id, MAX_ID)?;
        check_text("plan", &self.plan, MAX_DOCUMENT)?;
        check_text("actor", &self.actor, MAX_ACTOR)?;
        check_text("reason", self.reason.as_deref().unwrap_or_default(), MAX_REASON)?;
        self.columns.check()?;
        self.events.iter().try_for_each(NewRolloutEvent::check)
    }

    /// Checks that `split`, the stored one, is at the expected generation.
    ///
    /// # Errors
    ///
    /// [`StoreError::GenerationConflict`] with both numbers.
    pub fn check_generation(&self, split: &Split) -> Result<(), StoreError> {
        let expected = self.expected_generation;
        let found = split.generation();
        if expected == found { Ok(()) } else { Err(StoreError::GenerationConflict { expected, found }) }
    }
}
