//! The copies of requests that a version got.

use std::fmt;

use super::activity::Activity;
use super::latencies::Latencies;
use super::outcome::Outcome;

/// The copies of requests that a version got since it was published first. See [`VersionTraffic::copies`](super::VersionTraffic::copies).
///
/// Nobody sees their responses, so they are in no other figure of the version but its requests in flight and
/// [`Activity::picks`].
///
/// ```
/// use tower_canary::traffic::{CopyTraffic, Outcome, Unsent};
///
/// let copies = CopyTraffic::default();
/// assert_eq!((copies.sent(), copies.outcome(Outcome::ServerError), copies.unsent(Unsent::Busy)), (0, 0, 0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyTraffic {
    sent: u64,
    /// In the order of [`Unsent::ALL`].
    unsent: [u64; Unsent::ALL.len()],
    /// The outcomes and latencies of the copies, without picks.
    ends: Activity,
}

impl CopyTraffic {
    /// Creates the traffic of copies. `unsent` has the counts in the order of [`Unsent::ALL`].
    pub(super) const fn new(sent: u64, unsent: [u64; Unsent::ALL.len()], ends: Activity) -> Self {
        Self { sent, unsent, ends }
    }

    /// Returns the number of copies that were sent.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns the number of copies that ended with `outcome`. [`Abandoned`](Outcome::Abandoned): no response head within the
    /// time limit of copies. [`Cancelled`](Outcome::Cancelled): no whole response within it.
    #[must_use]
    pub const fn outcome(&self, outcome: Outcome) -> u64 {
        self.ends.outcome(outcome)
    }

    /// Returns the number of requests that were drawn to be copied to the version and were not, because of `why`.
    #[must_use]
    pub const fn unsent(&self, why: Unsent) -> u64 {
        self.unsent[why as usize]
    }

    /// Returns the times until the response heads. Empty if latencies are not measured.
    #[must_use]
    pub const fn latencies(&self) -> &Latencies {
        &self.ends.latencies
    }

    /// Returns the outcomes and latencies of the copies, without picks.
    #[cfg(feature = "rollout")]
    pub(super) const fn ends(&self) -> &Activity {
        &self.ends
    }

    /// Returns whether all counts are 0: no request was drawn to be copied to the version.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sent == 0 && self.unsent.iter().all(|count| *count == 0)
    }

    /// Returns the traffic of copies from `earlier`, an earlier total of the same counters, until this total.
    #[cfg(feature = "metrics")]
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let unsent = Unsent::ALL.iter().map(|why| self.unsent(*why).saturating_sub(earlier.unsent(*why)));
        let mut since = Self {
            sent: self.sent.saturating_sub(earlier.sent),
            unsent: [0; Unsent::ALL.len()],
            ends: self.ends.since(&earlier.ends),
        };
        for (count, more) in since.unsent.iter_mut().zip(unsent) {
            *count = more;
        }
        since
    }
}

/// The reason why a request that was drawn to be copied was not copied.
///
/// ```
/// use tower_canary::traffic::Unsent;
///
/// assert_eq!(Unsent::TooLarge.to_string(), "too-large");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unsent {
    /// As many copies as are allowed were in flight.
    Busy,
    /// The request body was larger than the limit.
    TooLarge,
    /// The request body was not read to its end, or had trailers.
    Incomplete,
    /// No instance of the version was usable.
    NoInstance,
    /// The path cannot be sent to the base URL of the version.
    Refused,
}

impl Unsent {
    /// All causes.
    pub const ALL: &'static [Self] =
        &[Self::Busy, Self::TooLarge, Self::Incomplete, Self::NoInstance, Self::Refused];

    /// Returns the word for JSON and metrics: `busy`, `too-large`, `incomplete`, `no-instance` or `refused`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::TooLarge => "too-large",
            Self::Incomplete => "incomplete",
            Self::NoInstance => "no-instance",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
