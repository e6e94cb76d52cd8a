//! The counters of one instance on one shard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::activity::Activity;
use super::end_counters::EndCounters;
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
    /// The requests by all reasons but the last: copies are counted apart.
    picks: [AtomicU64; Reason::Mirror as usize],
    /// The ends on the thread that owns the shard.
    ends: EndCounters,
    /// `None` for the only instance of a version without health: nothing depends on how its requests end.
    row: Option<Arc<FailureRow>>,
    /// The ends on threads that do not own the shard: few, since most requests end where they began. On the shared
    /// shard, which has no owner, all ends.
    foreign_ends: ForeignEnds,
}

/// The ends of requests on threads that do not own the shard, in a block of their own: see
/// [`docs::concurrency`](crate::docs::concurrency#shards).
#[derive(Debug, Default)]
#[repr(align(128))]
struct ForeignEnds(EndCounters);

// The owner of the shard writes one block of 128 bytes beside the one of the reference counts: 40 of picks, 80 of ends, 8 of
// the row. A field more would add another block.
const _: () = assert!(size_of::<ShardCounters>() == 128 + size_of::<ForeignEnds>());

// `picks` has a place for each reason but `Mirror`.
const _: () = assert!(Reason::Mirror as usize == Reason::ALL.len() - 1);

impl ShardCounters {
    /// Creates counters at 0.
    pub(super) fn new(row: Option<Arc<FailureRow>>) -> Self {
        Self {
            picks: std::array::from_fn(|_| AtomicU64::new(0)),
            ends: EndCounters::default(),
            row,
            foreign_ends: ForeignEnds::default(),
        }
    }

    /// Returns the row of failures of the instance, if it has one.
    #[inline]
    pub(super) fn row(&self) -> Option<&FailureRow> {
        self.row.as_deref()
    }

    /// Counts a pick on `shard`, the shard of these counters. Copies are not counted here.
    #[inline]
    pub(super) fn count_pick(&self, shard: Shard, reason: Reason) {
        // Relaxed: the outcome of the same request, which is counted later, publishes it.
        if let Some(picks) = self.picks.get(reason as usize) {
            shard.add(picks, 1, Ordering::Relaxed);
        }
    }

    /// Counts the outcome of a request that began on `shard`, the shard of these counters.
    #[inline]
    pub(super) fn count_outcome(&self, shard: ShardId, outcome: Outcome) {
        let (ends, writer) = self.writable_ends(shard);
        ends.count_outcome(writer, outcome);
    }

    /// Records the latency of a request that began on `shard`, the shard of these counters.
    #[inline]
    pub(super) fn record_latency(&self, shard: ShardId, latency: Duration) {
        let (ends, writer) = self.writable_ends(shard);
        ends.record_latency(writer, latency);
    }

    /// Returns the end counters that the running thread may write, and the shard to write them as: its own if it owns
    /// `shard`, the shard of these counters, else the shared one.
    #[inline]
    fn writable_ends(&self, shard: ShardId) -> (&EndCounters, Shard) {
        let current = Shard::current();
        if current.owns(shard) { (&self.ends, current) } else { (&self.foreign_ends.0, Shard::shared()) }
    }

    /// Returns the ends on the owner's thread and on other threads.
    fn all_ends(&self) -> [&EndCounters; 2] {
        [&self.ends, &self.foreign_ends.0]
    }

    /// Returns how many requests were picked for `reason`. 0 for copies, which are counted apart.
    pub(super) fn picks(&self, reason: Reason) -> u64 {
        // Relaxed: a count of its own.
        self.picks.get(reason as usize).map_or(0, |picks| picks.load(Ordering::Relaxed))
    }

    /// Returns how many requests ended with `outcome`, on any thread.
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
