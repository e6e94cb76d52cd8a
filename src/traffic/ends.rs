//! How some requests ended.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::activity::Activity;
use super::latencies::Histogram;
use super::outcome::Outcome;
use crate::common::sharded::Shard;

/// How some requests ended, and how long they took until the response head.
///
/// It is written as one shard: by the owner of that shard, or by everyone as [`Shard::shared`].
#[derive(Debug, Default)]
pub(super) struct Ends {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// Created for the first response: of many versions, most are idle.
    latencies: OnceLock<Histogram>,
}

impl Ends {
    /// Counts the end of a request.
    #[inline]
    pub(super) fn count_outcome(&self, shard: Shard, outcome: Outcome) {
        // Release: pairs with the Acquire in `add_counts_to`, so that a reader of this count sees what was counted of the same
        // request before: its pick, and its end at its shard.
        shard.add(&self.outcomes[outcome as usize], 1, Ordering::Release);
    }

    /// Records the time until the response head. The histogram is created by the first latency: an idle
    /// instance needs none.
    #[inline]
    pub(super) fn record_latency(&self, shard: Shard, latency: Duration) {
        self.latencies.get_or_init(Histogram::new).record(shard, latency);
    }

    /// Returns how many requests ended in this way.
    pub(super) fn outcomes(&self, outcome: Outcome) -> u64 {
        // Relaxed: a count of its own.
        self.outcomes[outcome as usize].load(Ordering::Relaxed)
    }

    /// Adds the outcomes to `activity`.
    pub(super) fn add_counts_to(&self, activity: &mut Activity) {
        for (sum, count) in activity.outcomes.iter_mut().zip(&self.outcomes) {
            // Acquire: pairs with the Release in `count_outcome`.
            *sum += count.load(Ordering::Acquire);
        }
    }

    /// Adds the latencies to `activity`.
    pub(super) fn add_latencies_to(&self, activity: &mut Activity) {
        if let Some(latencies) = self.latencies.get() {
            latencies.add_to(&mut activity.latencies);
        }
    }

    /// Returns the outcomes and latencies of requests that are counted at their shard too. To be called before the total is
    /// read: then none is more than there.
    pub(super) fn activity(&self) -> Activity {
        let mut activity = Activity::default();
        self.add_counts_to(&mut activity);
        self.add_latencies_to(&mut activity);
        activity
    }
}
