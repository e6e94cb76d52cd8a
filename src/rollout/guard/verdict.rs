//! The verdict of the guard.

use std::fmt;

use super::measure::Measure;
use super::odds::Odds;
use super::totals::Totals;

/// The verdict of the guard. See [`Guard`](super::Guard) for an example.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// There is no evidence against the canary, and the step lacks something to pass, such as requests.
    Open(Lack),
    /// There is no evidence against the canary, and the step has enough requests and windows.
    Pass {
        /// Nothing was compared: the plan has no measure, or the others have no weight and there is no limit.
        unguarded: bool,
    },
    /// There is evidence against the canary.
    Fail(Finding),
    /// The deadline of the step has passed without a verdict.
    Inconclusive(Lack),
}

/// The evidence against a canary.
///
/// Its `Display` is one line with the rates of both sides and the strength of the evidence. See
/// [`Guard`](super::Guard) for an example.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// The measure by which it is worse.
    pub measure: Measure,
    /// The strength of the evidence.
    pub odds: Odds,
    /// The requests that were compared.
    pub totals: Totals,
}

/// What a step lacks to pass.
///
/// `Display` says it as the API shows it:
///
/// ```
/// use tower_canary::rollout::Lack;
///
/// let lack = Lack::TooFewRequests { requests: 12, least: 100 };
/// assert_eq!(lack.to_string(), "the canary has 12 of 100 requests");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lack {
    /// The canary had no request.
    NoCanaryTraffic,
    /// The others had no request.
    NoStableTraffic,
    /// The canary had too few requests.
    TooFewRequests {
        /// The requests that it had.
        requests: u64,
        /// The requests that the plan needs.
        least: u64,
    },
    /// Too few windows had requests to compare.
    TooFewWindows {
        /// The windows that had some.
        windows: u64,
        /// The windows that the plan needs.
        least: u64,
    },
    /// The others fail as well.
    StableFails,
    /// A gate is not open.
    GateClosed(String),
    /// The gateways do not serve the weights of the step yet.
    NotConverged,
    /// The hold is not over.
    HoldUnfinished,
    /// There is evidence against the canary, which the plan only records: see
    /// [`WhenFailed::Tell`](crate::rollout::WhenFailed::Tell).
    CanaryFails,
    /// The canary cannot get traffic: its probe failed, or the rules of the split refuse the weight.
    CanaryUnusable(String),
}

impl Verdict {
    /// Returns the verdict once the deadline has passed: an open one becomes inconclusive.
    ///
    /// A `pass` and a `fail` stay: they were found in time.
    #[must_use]
    pub fn at_deadline(self) -> Self {
        match self {
            Self::Open(lack) => Self::Inconclusive(lack),
            decided => decided,
        }
    }

    /// Returns the word for responses: `open`, `pass`, `fail` or `inconclusive`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Pass { .. } => "pass",
            Self::Fail(_) => "fail",
            Self::Inconclusive(_) => "inconclusive",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { canary, stable, .. } = self.totals;
        match self.measure {
            Measure::Errors => write!(f, "failed: {canary}, others {stable}")?,
            Measure::ErrorLimit => write!(f, "above the limit of failures: {canary}, others {stable}")?,
            Measure::Latency => write!(f, "slower than the others, in {} requests", canary.requests)?,
            Measure::LatencyLimit => write!(f, "p99 above the limit, in {} requests", canary.requests)?,
        }
        write!(f, "; evidence {}", self.odds)
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCanaryTraffic => f.write_str("the canary has no requests"),
            Self::NoStableTraffic => f.write_str("the other versions have no requests"),
            Self::TooFewRequests { requests, least } => {
                write!(f, "the canary has {requests} of {least} requests")
            }
            Self::TooFewWindows { windows, least } => {
                write!(f, "{windows} of {least} windows of ten seconds have requests to compare")
            }
            Self::StableFails => f.write_str("the other versions fail as well"),
            Self::GateClosed(gate) => write!(f, "the gate {gate} is not open"),
            Self::NotConverged => f.write_str("not all gateways serve the weights of this step"),
            Self::HoldUnfinished => f.write_str("the hold is not over"),
            Self::CanaryFails => f.write_str("there is evidence against the canary"),
            Self::CanaryUnusable(why) => f.write_str(why),
        }
    }
}
