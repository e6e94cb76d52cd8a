//! The counters of one instance on one shard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::activity::Activity;
use super::ends::Ends;
use super::failure_row::FailureRow;
use super::outcome::Outcome;
use crate::common::sharded::{Shard, ShardId};
use crate::routing::Reason;

/// The counters of one instance on one shard.
///
/// The strong count of its `Arc` *is* the number of requests in flight, plus one for the instance's own reference: a request
/// that outlives its instance keeps the counters alive and is counted by the same write.
///
/// Shards are 128 bytes apart, two cache lines of 64, because processors fetch lines in pairs. So threads that count on
/// different shards do not contend.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct ShardCounters {
    /// By all reasons but the last: copies are counted apart.
    picks: [AtomicU64; Reason::Mirror as usize],
    ends: Ends,
    /// `None` for the only instance of a version without health: nothing depends on how its requests end.
    row: Option<Arc<FailureRow>>,
    /// The ends on threads that do not own the shard: most requests end where they began.
    elsewhere: Elsewhere,
}

/// The ends of requests on threads that do not own the shard, in a block of their own: see
/// [`docs::concurrency`](crate::docs::concurrency#shards).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Elsewhere(Ends);

// The owner of the shard writes one block of 128 bytes beside the one of the reference counts: 40 of picks, 80 of ends, 8 of
// the row. A field more would add another block.
const _: () = assert!(size_of::<ShardCounters>() == 128 + size_of::<Elsewhere>());

impl ShardCounters {
    /// Creates counters at 0.
    pub(super) fn new(row: Option<Arc<FailureRow>>) -> Self {
        Self {
            picks: std::array::from_fn(|_| AtomicU64::new(0)),
            ends: Ends::default(),
            row,
            elsewhere: Elsewhere::default(),
        }
    }

    /// Returns the failures in a row of the instance, if it keeps any.
    #[inline]
    pub(super) fn row(&self) -> Option<&FailureRow> {
        self.row.as_deref()
    }

    /// Counts a pick. `shard` is the one of these counters.
    #[inline]
    pub(super) fn count_pick(&self, shard: Shard, reason: Reason) {
        // Relaxed: the outcome of the same request, which is counted later, publishes it.
        if let Some(picks) = self.picks.get(reason as usize) {
            shard.add(picks, 1, Ordering::Relaxed);
        }
    }

    /// Counts the outcome of a request that began on the shard `began`, the one of these counters.
    #[inline]
    pub(super) fn count_outcome(&self, began: ShardId, outcome: Outcome) {
        let (ends, shard) = self.ends(began);
        ends.count_outcome(shard, outcome);
    }

    /// Records the latency of a request that began on the shard `began`, the one of these counters.
    #[inline]
    pub(super) fn record_latency(&self, began: ShardId, latency: Duration) {
        let (ends, shard) = self.ends(began);
        ends.record_latency(shard, latency);
    }

    /// Returns where this thread counts ends, and as which shard.
    #[inline]
    fn ends(&self, began: ShardId) -> (&Ends, Shard) {
        let shard = Shard::current();
        if shard.owns(began) { (&self.ends, shard) } else { (&self.elsewhere.0, Shard::shared()) }
    }

    /// Returns the ends on the owner's thread and on other threads.
    fn all_ends(&self) -> [&Ends; 2] {
        [&self.ends, &self.elsewhere.0]
    }

    /// Returns how many requests were picked for this reason.
    pub(super) fn picks(&self, reason: Reason) -> u64 {
        // Relaxed: a count of its own.
        self.picks.get(reason as usize).map_or(0, |picks| picks.load(Ordering::Relaxed))
    }

    /// Returns how many requests ended in this way, wherever they ended.
    pub(super) fn outcomes(&self, outcome: Outcome) -> u64 {
        self.all_ends().iter().map(|ends| ends.outcomes(outcome)).sum()
    }

    /// Adds the picks and outcomes to `activity`.
    pub(super) fn add_counts_to(&self, activity: &mut Activity) {
        // Outcomes first: no more requests are reported as ended than as picked.
        self.all_ends().iter().for_each(|ends| ends.add_counts_to(activity));
        for (sum, count) in activity.picks.iter_mut().zip(&self.picks) {
            *sum += count.load(Ordering::Relaxed);
        }
    }

    /// Adds the latencies to `activity`.
    pub(super) fn add_latencies_to(&self, activity: &mut Activity) {
        self.all_ends().iter().for_each(|ends| ends.add_latencies_to(activity));
    }
}
