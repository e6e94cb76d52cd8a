//! The phases of a rollout.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The phase of a rollout. See [`State`](super::State) for an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Phase {
    /// Nothing has changed yet: start gates or windows of time are closed.
    Waiting,
    /// The stage is watched: the weight is held.
    Holding,
    /// The stage has passed, and the next one waits for gates, a window of time or calm.
    Gated,
    /// The canary is on its way back to the weights of the start.
    Returning(Return),
    /// The weights stay until a person decides. The guard still judges, and evidence against the canary takes it back
    /// if `whenFailed` is `return`, unless it pauses because a person changed the weights.
    Paused {
        /// The phase before the pause, in which it goes on.
        from: Resumable,
        /// Why it pauses.
        why: PauseReason,
    },
    /// Nothing changes any more.
    Over {
        /// The end.
        outcome: Outcome,
    },
}

/// The phases that can be paused. See [`Phase`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Resumable {
    /// [`Phase::Waiting`].
    Waiting,
    /// [`Phase::Holding`].
    Holding,
    /// [`Phase::Gated`].
    Gated,
    /// [`Phase::Returning`].
    Returning(Return),
}

/// A way back. See [`Phase`].
///
/// The plan may have falling weights for it, such as 50 and 20. Without them the canary loses its traffic in
/// one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Return {
    /// The position of the next weight among the weights of the plan's way back, from 0. Behind the last one, the weights
    /// of the start are next.
    pub next: usize,
    /// The outcome when it is over.
    pub outcome: Outcome,
    /// Whether the change that is due was not made yet, because a version without traffic must pass a probe first, or
    /// the rules of the split refuse it.
    pub pending: bool,
}

/// Why a rollout pauses. See [`Phase`].
///
/// `Display` says it in words, as the events and the API show it:
///
/// ```
/// use tower_canary::rollout::PauseReason;
///
/// let why = PauseReason::Inconclusive { lack: "the canary has 12 of 100 requests".to_owned() };
/// assert_eq!(why.as_str(), "inconclusive");
/// assert_eq!(why.to_string(), "inconclusive: the canary has 12 of 100 requests");
/// ```
///
/// | reason | resumed, the rollout |
/// | --- | --- |
/// | by hand | goes on where it was |
/// | inconclusive | counts the stage as passed, and its gates as open |
/// | failed, replaced | begins the stage again, without the evidence so far |
/// | changed | sets the weight and the mirror of the stage again |
///
/// A rollout that paused on its way back goes on with it, whatever the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PauseReason {
    /// A person paused it.
    ByHand {
        /// The person.
        actor: String,
    },
    /// The stage had not passed at its deadline.
    Inconclusive {
        /// What it lacked.
        lack: String,
    },
    /// There is evidence against the canary, or a gate failed.
    Failed {
        /// The finding.
        finding: String,
    },
    /// Somebody else changed the weights, or the mirror of the stage.
    Changed {
        /// The actor of that change.
        actor: String,
    },
    /// Somebody else replaced base URLs of the canary or the others.
    Replaced {
        /// The actor of that change.
        actor: String,
    },
}

/// The end of a rollout. See [`Phase`].
///
/// ```
/// use tower_canary::rollout::Outcome;
///
/// assert_eq!(Outcome::RolledBack.as_str(), "rolled-back");
/// assert_eq!(Outcome::ALL.len(), 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// The canary has the traffic that the plan ends with.
    Completed,
    /// The canary was taken back because of evidence against it, a failed gate or a deadline.
    RolledBack,
    /// A person took the canary back, or ended the rollout.
    Aborted,
    /// The experiment is over.
    Returned,
}

// === impl Phase ===

impl Phase {
    /// The words for the phases of a rollout that is not over.
    #[cfg(feature = "metrics")]
    pub(crate) const LIVE: [&'static str; 5] = ["waiting", "holding", "gated", "paused", "returning"];

    /// Returns the word for responses: `waiting`, `holding`, `gated`, `returning`, `paused` or `over`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Holding => "holding",
            Self::Gated => "gated",
            Self::Returning(_) => "returning",
            Self::Paused { .. } => "paused",
            Self::Over { .. } => "over",
        }
    }

    /// Returns the outcome, once the rollout is over. A rollout that is `returning` has its outcome in
    /// [`Return`].
    #[must_use]
    pub const fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Over { outcome } => Some(*outcome),
            _ => None,
        }
    }

    /// Returns the phase to resume: the one before the pause, or this one. `None` once the rollout is over.
    pub(super) const fn resumable(&self) -> Option<Resumable> {
        match self {
            Self::Waiting => Some(Resumable::Waiting),
            Self::Holding => Some(Resumable::Holding),
            Self::Gated => Some(Resumable::Gated),
            Self::Returning(back) => Some(Resumable::Returning(*back)),
            Self::Paused { from, .. } => Some(*from),
            Self::Over { .. } => None,
        }
    }
}

impl From<Resumable> for Phase {
    fn from(from: Resumable) -> Self {
        match from {
            Resumable::Waiting => Self::Waiting,
            Resumable::Holding => Self::Holding,
            Resumable::Gated => Self::Gated,
            Resumable::Returning(back) => Self::Returning(back),
        }
    }
}

// === impl PauseReason ===

impl PauseReason {
    /// Returns the word for responses: `by-hand`, `inconclusive`, `failed`, `changed` or `replaced`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::ByHand { .. } => "by-hand",
            Self::Inconclusive { .. } => "inconclusive",
            Self::Failed { .. } => "failed",
            Self::Changed { .. } => "changed",
            Self::Replaced { .. } => "replaced",
        }
    }
}

impl fmt::Display for PauseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByHand { actor } => write!(f, "paused by {actor}"),
            Self::Inconclusive { lack } => write!(f, "inconclusive: {lack}"),
            Self::Failed { finding } => f.write_str(finding),
            Self::Changed { actor } => write!(f, "the weights were changed by {actor}"),
            Self::Replaced { actor } => write!(f, "base URLs were replaced by {actor}"),
        }
    }
}

// === impl Outcome ===

impl Outcome {
    /// All outcomes.
    pub const ALL: &'static [Self] = &[Self::Completed, Self::RolledBack, Self::Aborted, Self::Returned];

    /// Returns the word for responses and metrics: `completed`, `rolled-back`, `aborted` or `returned`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::RolledBack => "rolled-back",
            Self::Aborted => "aborted",
            Self::Returned => "returned",
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "metrics")]
    #[test]
    fn live_phases_are_all_but_over() {
        use super::{Outcome, PauseReason, Phase, Resumable, Return};

        let back = Return { next: 0, outcome: Outcome::Aborted, pending: false };
        let by_hand = PauseReason::ByHand { actor: "alice".to_owned() };
        let paused = Phase::Paused { from: Resumable::Waiting, why: by_hand };
        let live = [Phase::Waiting, Phase::Holding, Phase::Gated, paused, Phase::Returning(back)];
        assert_eq!(live.map(|phase| phase.as_str()), Phase::LIVE);
    }
}
