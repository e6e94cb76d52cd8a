//! The values of a rollout that each write replaces, and its events.

use std::time::Duration;

use super::change_request::{MAX_ACTOR, MAX_REASON, check_text, truncate};
use super::error::StoreError;

/// Maximum length of a rollout's id and of the id of a replica, in characters.
pub(super) const MAX_ID: usize = 36;

/// Maximum length of the words for phases, outcomes and kinds of events, in characters.
const MAX_WORD: usize = 16;

/// Maximum length of a plan, a state or the evidence, in characters.
pub(super) const MAX_DOCUMENT: usize = 1 << 20;

/// The values of a rollout that each write replaces. The store reads none of these texts but the presence of an outcome.
///
/// ```
/// use tower_canary::store::RolloutColumns;
///
/// let waiting = RolloutColumns::new("{}", "waiting");
/// assert_eq!((waiting.step, &waiting.outcome), (0, &None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RolloutColumns {
    /// The state: at most 1,048,576 characters.
    pub state: String,
    /// The evidence: at most 1,048,576 characters. `None`: it stays as it is.
    pub evidence: Option<String>,
    /// The word for the phase: at most 16 characters.
    pub phase: String,
    /// The number of the stage. 0 before the first one.
    pub step: u32,
    /// How long the stage was watched, to the millisecond.
    pub held: Duration,
    /// The word for the outcome: at most 16 characters. `Some`: the rollout is over with this write.
    pub outcome: Option<String>,
    /// Why it is in this phase: at most [`MAX_REASON`] characters.
    pub why: Option<String>,
}

/// An event of a rollout that is recorded. See [`StoredRolloutEvent`](super::StoredRolloutEvent).
///
/// ```
/// use tower_canary::store::NewRolloutEvent;
///
/// let event = NewRolloutEvent::new("approved", 2, Some("alice"), "step 2 is approved");
/// assert_eq!((event.step, event.actor.as_deref()), (2, Some("alice")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewRolloutEvent {
    /// The word for its kind: at most 16 characters.
    pub kind: String,
    /// The number of the stage. 0 before the first one.
    pub step: u32,
    /// The person who caused it: at most [`MAX_ACTOR`] characters. `None`: the rollout itself.
    pub actor: Option<String>,
    /// What happened, in words: at most [`MAX_REASON`] characters.
    pub text: String,
}

impl RolloutColumns {
    /// Creates the values of a rollout with this `state` in this `phase`, before its first stage.
    pub fn new(state: impl Into<String>, phase: impl Into<String>) -> Self {
        Self {
            state: state.into(),
            evidence: None,
            phase: phase.into(),
            step: 0,
            held: Duration::ZERO,
            outcome: None,
            why: None,
        }
    }

    /// Sets the evidence.
    #[must_use]
    pub fn with_evidence(self, evidence: Option<String>) -> Self {
        Self { evidence, ..self }
    }

    /// Sets the number of the stage, and how long it was watched.
    #[must_use]
    pub fn with_step(self, step: u32, held: Duration) -> Self {
        Self { step, held, ..self }
    }

    /// Sets the word for the outcome.
    #[must_use]
    pub fn with_outcome(self, outcome: Option<String>) -> Self {
        Self { outcome, ..self }
    }

    /// Sets why it is in this phase. A text of more than [`MAX_REASON`] characters is truncated.
    #[must_use]
    pub fn with_why(self, why: Option<&str>) -> Self {
        Self { why: why.map(|why| truncate(why, MAX_REASON)), ..self }
    }

    /// Checks that each text has a size that every store accepts. A store calls it before it writes.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        check_text("state", &self.state, MAX_DOCUMENT)?;
        check_text("evidence", self.evidence.as_deref().unwrap_or_default(), MAX_DOCUMENT)?;
        check_text("phase", &self.phase, MAX_WORD)?;
        check_text("outcome", self.outcome.as_deref().unwrap_or_default(), MAX_WORD)?;
        check_text("why", self.why.as_deref().unwrap_or_default(), MAX_REASON)
    }
}

impl NewRolloutEvent {
    /// Creates an event. Texts are truncated to [`MAX_ACTOR`] and [`MAX_REASON`] characters, without NUL.
    pub fn new(kind: impl Into<String>, step: u32, actor: Option<&str>, text: &str) -> Self {
        let actor = actor.map(|actor| truncate(actor, MAX_ACTOR));
        Self { kind: kind.into(), step, actor, text: truncate(text, MAX_REASON) }
    }

    /// Checks the texts of the event.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        check_text("event kind", &self.kind, MAX_WORD)?;
        check_text("actor", self.actor.as_deref().unwrap_or_default(), MAX_ACTOR)?;
        check_text("event text", &self.text, MAX_REASON)
    }
}
