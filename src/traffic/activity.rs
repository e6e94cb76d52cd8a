//! What a version did in some stretch of time.

use super::latencies::Latencies;
use super::outcome::Outcome;
use crate::routing::Reason;

/// What a version did in some stretch of time. See the [module](super) for an example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activity {
    pub(super) picks: [u64; Reason::ALL.len()],
    pub(super) outcomes: [u64; Outcome::ALL.len()],
    /// How long requests took to the head of their answer. Empty where the layer does
    /// [without](crate::WeightedVersionLayer::without_latencies).
    pub latencies: Latencies,
}

impl Activity {
    /// How many requests it was given.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.picks.iter().sum()
    }

    /// How many of them for `reason`.
    #[must_use]
    pub const fn picks(&self, reason: Reason) -> u64 {
        self.picks[reason as usize]
    }

    /// How many requests ended, however they did. Those in flight have not.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// How many of them ended so.
    #[must_use]
    pub const fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts_mut().zip(other.counts()) {
            *count += more;
        }
        self.latencies.add_all(&other.latencies);
    }

    /// What came after `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut later = self.clone();
        for (count, before) in later.counts_mut().zip(earlier.counts()) {
            *count = count.saturating_sub(before);
        }
        later.latencies = self.latencies.since(&earlier.latencies);
        later
    }

    fn counts(&self) -> impl Iterator<Item = u64> + '_ {
        self.picks.iter().chain(&self.outcomes).copied()
    }

    fn counts_mut(&mut self) -> impl Iterator<Item = &mut u64> + '_ {
        self.picks.iter_mut().chain(&mut self.outcomes)
    }
}
