//! The activity of a version in a period.

use super::latencies::Latencies;
use super::outcome::Outcome;
use crate::routing::Reason;

/// The activity of a version in a period: its requests by [`Reason`] and by [`Outcome`], and their latencies.
///
/// ```
/// use tower_canary::routing::Reason;
/// use tower_canary::traffic::{Activity, Outcome};
///
/// /// The share of requests that failed, of those that ended.
/// fn error_rate(activity: &Activity) -> f64 {
///     let failed = activity.outcome(Outcome::ServerError) + activity.outcome(Outcome::Error);
///     failed as f64 / activity.ended().max(1) as f64
/// }
///
/// let idle = Activity::default();
/// assert_eq!((idle.requests(), idle.picks(Reason::Draw), error_rate(&idle)), (0, 0, 0.0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activity {
    /// The requests by reason, in the order of [`Reason::ALL`]. The last one counts copies.
    pub(super) picks: [u64; Reason::ALL.len()],
    /// The ended requests by outcome, in the order of [`Outcome::ALL`], without copies.
    pub(super) outcomes: [u64; Outcome::ALL.len()],
    /// See [`diverted`](Self::diverted).
    pub(super) diverted: u64,
    /// The time from the choice of the version to the response head. Empty if the layer was built
    /// [without latencies](crate::WeightedVersionLayer::without_latencies).
    pub latencies: Latencies,
}

impl Activity {
    /// Returns the number of requests that were given the version, without copies.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.picks.iter().sum::<u64>() - self.picks(Reason::Mirror)
    }

    /// Returns whether the version got a request or a copy.
    pub(super) fn has_picks(&self) -> bool {
        self.picks.iter().any(|count| *count > 0)
    }

    /// Returns the number of requests that were given the version for `reason`: of copies for [`Reason::Mirror`].
    #[must_use]
    pub const fn picks(&self, reason: Reason) -> u64 {
        self.picks[reason as usize]
    }

    /// Returns the number of requests that ended, whatever their outcome.
    ///
    /// In a total it is at most [`requests`](Self::requests): those whose response has not ended are missing. In a
    /// window the two count different requests: one that began earlier may end in it.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Returns the number of requests that ended with `outcome`.
    #[must_use]
    pub const fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// Returns the number of requests that were meant for the version and went to another one, since none of its instances
    /// was usable. They are not among its [`requests`](Self::requests).
    ///
    /// It is 0 unless [`Health::failover`](crate::health::Health::failover) is set. Count them as failed where the
    /// version is judged, as [`Figures`](super::Figures) does: without the failover they would have failed.
    #[must_use]
    pub const fn diverted(&self) -> u64 {
        self.diverted
    }

    /// Returns the number of requests that failed: those with a 5xx response and those that ended with an error.
    /// Requests that their clients gave up are not among them.
    pub(super) const fn failed(&self) -> u64 {
        self.outcome(Outcome::ServerError) + self.outcome(Outcome::Error)
    }

    /// Adds all counts, with the latencies.
    pub(super) fn add(&mut self, other: &Self) {
        self.add_counts(other);
        self.latencies.add_all(&other.latencies);
    }

    /// Adds the requests of `other` without its latencies.
    pub(super) fn add_counts(&mut self, other: &Self) {
        for (count, more) in self.counts_mut().zip(other.counts()) {
            *count += more;
        }
    }

    /// Returns the activity from `earlier`, an earlier total of the same counters, until this total.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut later = self.clone();
        for (count, before) in later.counts_mut().zip(earlier.counts()) {
            // Two totals are read without a lock, so a count may seem to fall behind by one that is being written.
            *count = count.saturating_sub(before);
        }
        later.latencies = self.latencies.since(&earlier.latencies);
        later
    }

    /// Returns the counts in a fixed order, without the latencies.
    fn counts(&self) -> impl Iterator<Item = u64> + '_ {
        self.picks.iter().chain(&self.outcomes).copied().chain([self.diverted])
    }

    /// Returns the counts in the order of [`counts`](Self::counts), to change them.
    fn counts_mut(&mut self) -> impl Iterator<Item = &mut u64> + '_ {
        self.picks.iter_mut().chain(&mut self.outcomes).chain([&mut self.diverted])
    }
}
