//! Requests that are counted apart from the others of their version.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::copies::{CopyTraffic, Unsent};
use super::end_counters::EndCounters;
use super::outcome::Outcome;
use super::shard_counters::ShardCounters;
use crate::common::sharded::{Shard, ShardId};

/// The counters of a version for the requests that are counted apart.
///
/// | requests | counted at their shard too | why |
/// | --- | --- | --- |
/// | by an override | yes | testers look for faults, so a judge of the version leaves them out |
/// | originals of copies | yes | the copies are compared with the very requests that they are copies of |
/// | copies | no | nobody sees their responses, and they are in no share |
#[derive(Debug, Default)]
pub(super) struct ApartCounters {
    pub(super) overridden: EndCounters,
    pub(super) originals: EndCounters,
    copies: EndCounters,
    /// The copies that were sent to the version.
    sent: AtomicU64,
    /// The requests that were drawn to be copied to the version and were not, in the order of [`Unsent::ALL`].
    unsent: [AtomicU64; Unsent::ALL.len()],
}

/// Whether a copy was sent. The copy sets it, and its original reads it too: a clone is the same flag.
#[derive(Clone, Debug, Default)]
pub(crate) struct CopySentFlag(Arc<AtomicBool>);

/// The record of one request that is counted apart: at which counters, and why.
#[derive(Debug)]
pub(crate) struct ApartRecord {
    counters: Arc<ApartCounters>,
    kind: ApartKind,
}

/// Why a request is counted apart. Originals and copies are, once the copy is sent.
#[derive(Debug)]
pub(super) enum ApartKind {
    Overridden,
    Original(CopySentFlag),
    Copy(CopySentFlag),
}

impl ApartCounters {
    /// Counts a request that was drawn to be copied to the version and was not.
    #[cold]
    pub(super) fn count_unsent(&self, why: Unsent) {
        // Relaxed, here and below: counts of their own, which order nothing.
        self.unsent[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of copies that were sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Returns the traffic of copies: how many were sent, how many were not, and the ends of the sent ones.
    pub(super) fn copies(&self) -> CopyTraffic {
        // The ends first: no more copies have ended than were sent.
        let ends = self.copies.activity();
        let unsent = self.unsent.each_ref().map(|count| count.load(Ordering::Relaxed));
        CopyTraffic::new(self.sent(), unsent, ends)
    }
}

impl CopySentFlag {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        // Relaxed, here and above: a late read leaves one original out of a comparison.
        self.0.load(Ordering::Relaxed)
    }
}

impl ApartRecord {
    /// Creates the record of one request, which is counted at the `counters` of its version.
    pub(super) const fn new(counters: Arc<ApartCounters>, kind: ApartKind) -> Self {
        Self { counters, kind }
    }

    /// Records that the copy is sent. Only then do its end and the end of its original count apart. Does nothing for a
    /// request that is no copy.
    pub(super) fn record_copy_sent(&self) {
        if let ApartKind::Copy(sent) = &self.kind {
            sent.set();
            self.counters.sent.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records the latency among the requests of this kind, and at `shard` of the instance unless the request is a
    /// copy: nobody waits for the response to one.
    #[cold]
    pub(super) fn record_latency(&self, counters: &ShardCounters, shard: ShardId, latency: Duration) {
        // At the instance first, as in `count_outcome`.
        if !self.is_copy() {
            counters.record_latency(shard, latency);
        }
        if let Some(apart) = self.end_counters() {
            // The shared shard, here and below: all threads write these counters, which have no shards.
            apart.record_latency(Shard::shared(), latency);
        }
    }

    /// Counts the end among the requests of this kind, and at `shard` of the instance unless the request is a copy.
    /// Returns whether it was counted at the instance.
    #[cold]
    pub(super) fn count_outcome(&self, counters: &ShardCounters, shard: ShardId, outcome: Outcome) -> bool {
        let counts_at_instance = !self.is_copy();
        // Before the end apart: `EndCounters::count_outcome` says why.
        if counts_at_instance {
            counters.count_outcome(shard, outcome);
        }
        if let Some(apart) = self.end_counters() {
            apart.count_outcome(Shard::shared(), outcome);
        }
        counts_at_instance
    }

    /// Returns the counters of the ends of this kind. `None`: the request is a copy or the original of one, and the
    /// copy was not sent.
    fn end_counters(&self) -> Option<&EndCounters> {
        match &self.kind {
            ApartKind::Overridden => Some(&self.counters.overridden),
            ApartKind::Original(copy_sent) => copy_sent.is_set().then_some(&self.counters.originals),
            ApartKind::Copy(sent) => sent.is_set().then_some(&self.counters.copies),
        }
    }

    /// Returns whether the request is a copy.
    const fn is_copy(&self) -> bool {
        matches!(self.kind, ApartKind::Copy(_))
    }
}
