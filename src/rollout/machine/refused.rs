//! Why the machine refuses an input.

use thiserror::Error;

use crate::routing::{ChangeError, VersionName, Weight};

/// Why a request of a person is refused. The state stays as it is.
///
/// ```
/// use tower_canary::rollout::Refused;
///
/// let refused = Refused::StaleStep { given: 2, present: 3 };
/// assert_eq!(refused.to_string(), "the rollout is at step 3 and not 2: look at it again");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// The rollout is over.
    #[error("the rollout is over: start another one")]
    Over,
    /// Another stage is present.
    #[error("the rollout is at step {present} and not {given}: look at it again")]
    StaleStep {
        /// The number that was given.
        given: usize,
        /// The number of the present stage.
        present: usize,
    },
    /// The verb has no meaning in this phase.
    #[error("the rollout is {phase}, so it cannot {verb}: {}", remedy(phase))]
    WrongPhase {
        /// The word of the phase.
        phase: &'static str,
        /// The word of the verb.
        verb: &'static str,
    },
    /// The stage has no approval gate.
    #[error("step {number} needs no approval: advance it, or wait until it has passed")]
    NothingToApprove {
        /// The number of the stage.
        number: usize,
    },
    /// The plan does not end with a promotion.
    #[error("the plan ends without a promotion: abort it, or wait for its end, and start another one")]
    NoPromotion,
    /// The rules of the split refuse the change.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// Returns what to do with a rollout in `phase` instead.
fn remedy(phase: &str) -> &'static str {
    match phase {
        "returning" => "wait until it is over, or abort it to go back at once",
        _ => "resume it first, or abort it",
    }
}

/// Why a rollout cannot be started.
///
/// ```
/// use std::time::SystemTime;
/// use tower_canary::rollout::{Plan, StartRefused, State};
/// use tower_canary::routing::{Change, Split};
///
/// # let at = SystemTime::UNIX_EPOCH;
/// let split = Split::new("auth".parse()?, 7)
///     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?;
/// let refused = State::start(&Plan::new("v1.1".parse()?), &split, at, "alice").unwrap_err();
/// assert_eq!(refused, StartRefused::NoStable);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartRefused {
    /// The service has no version of this name.
    #[error("version {0} is not registered: register it first")]
    UnknownVersion(VersionName),
    /// No other version has a weight, so there is nothing to compare with and nothing to go back to.
    #[error("no other version has traffic: switch to one first")]
    NoStable,
    /// The canary has more traffic than the first step gives it.
    #[error("version {version} has {weight} already, more than the first step: begin with a higher weight")]
    Ahead {
        /// The canary.
        version: VersionName,
        /// Its present weight.
        weight: Weight,
    },
}
