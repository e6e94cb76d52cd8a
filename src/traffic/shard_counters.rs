//! The counters of one version on one shard.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::activity::Activity;
use super::latencies::Histogram;
use super::outcome::Outcome;
use crate::routing::Reason;

/// The counters of one version on one shard.
///
/// The strong count of its `Arc` *is* the number of requests in flight, plus one for the version's own reference: a request
/// that outlives its version keeps the counters alive and is counted by the same write.
///
/// Shards are 128 bytes apart, two cache lines of 64, because processors fetch lines in pairs. So threads that count on
/// different shards do not contend.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct ShardCounters {
    picks: [AtomicU64; Reason::ALL.len()],
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// Created for the first response: of many versions, most are idle.
    latencies: OnceLock<Histogram>,
}

// A request writes one block of 128 bytes beside the one of the reference counts. A field more would add another block.
const _: () = assert!(size_of::<ShardCounters>() == 128, "40 of picks, 64 of outcomes, 24 of latencies");

impl ShardCounters {
    #[inline]
    pub(super) fn count_pick(&self, reason: Reason) {
        // Relaxed: the outcome of the same request, which is counted later, publishes it.
        self.picks[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn count_outcome(&self, outcome: Outcome) {
        // Release: pairs with the Acquire in `add_counts_to`, so that a reader of this count sees the pick of the same request.
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Release);
    }

    #[inline]
    pub(super) fn record_latency(&self, latency: Duration) {
        self.latencies.get_or_init(Histogram::new).record(latency);
    }

    pub(super) fn picks(&self, reason: Reason) -> u64 {
        // Relaxed: a count of its own.
        self.picks[reason as usize].load(Ordering::Relaxed)
    }

    /// Adds the picks and outcomes to `activity`.
    pub(super) fn add_counts_to(&self, activity: &mut Activity) {
        // Outcomes first: no more requests are reported as ended than as picked. Acquire pairs with the Release in
        // `count_outcome`.
        for (sum, count) in activity.outcomes.iter_mut().zip(&self.outcomes) {
            *sum += count.load(Ordering::Acquire);
        }
        for (sum, count) in activity.picks.iter_mut().zip(&self.picks) {
            *sum += count.load(Ordering::Relaxed);
        }
    }

    /// Adds the latencies to `activity`.
    pub(super) fn add_latencies_to(&self, activity: &mut Activity) {
        if let Some(latencies) = self.latencies.get() {
            latencies.add_to(&mut activity.latencies);
        }
    }
}
