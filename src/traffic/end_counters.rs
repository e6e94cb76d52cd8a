//! Counters of the ends of requests.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::activity::Activity;
use super::latencies::Histogram;
use super::outcome::Outcome;
use crate::common::sharded::Shard;

/// Counters of the ends of requests by their outcomes, and of their latencies until the response head.
///
/// They are written as one shard: by the owner of that shard, or by all threads as [`Shard::shared`].
#[derive(Debug, Default)]
pub(super) struct EndCounters {
    /// In the order of [`Outcome::ALL`].
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// Created for the first response: of many versions, most are idle.
    latencies: OnceLock<Histogram>,
}

impl EndCounters {
    /// Counts the end of a request with `outcome`.
    #[inline]
    pub(super) fn count_outcome(&self, shard: Shard, outcome: Outcome) {
        // Release: pairs with the Acquire in `add_counts_to`, so that a reader of this count sees what was counted of the same
        // request before: its pick, and its end at its shard.
        shard.add(&self.outcomes[outcome as usize], 1, Ordering::Release);
    }

    /// Records the time until the response head of a request.
    #[inline]
    pub(super) fn record_latency(&self, shard: Shard, latency: Duration) {
        self.latencies.get_or_init(Histogram::new).record(shard, latency);
    }

    /// Returns the number of requests that ended with `outcome`.
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

    /// Returns the outcomes and the latencies, without picks.
    ///
    /// Of requests that are counted at their shards too, read these counters before those: then no outcome has a higher
    /// count here than there.
    pub(super) fn activity(&self) -> Activity {
        let mut activity = Activity::default();
        self.add_counts_to(&mut activity);
        self.add_latencies_to(&mut activity);
        activity
    }
}
