//! Requests that are counted apart from the others of their version.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::copies::{CopyTraffic, Unsent};
use super::ends::Ends;
use super::outcome::Outcome;
use super::shard_counters::ShardCounters;
use crate::common::sharded::{Shard, ShardId};

/// The requests of a version that are counted apart.
///
/// | requests | counted at their shard too | why |
/// | --- | --- | --- |
/// | by an override | yes | testers look for faults, so a judge of the version leaves them out |
/// | originals of copies | yes | the copies are compared with the very requests that they are copies of |
/// | copies | no | nobody sees their responses, and they are in no share |
#[derive(Debug, Default)]
pub(super) struct ApartCounters {
    pub(super) overridden: Ends,
    pub(super) originals: Ends,
    copies: Ends,
    sent: AtomicU64,
    unsent: [AtomicU64; Unsent::ALL.len()],
}

/// Whether a copy was sent, for the copy and its original.
#[derive(Clone, Debug, Default)]
pub(crate) struct CopySent(Arc<AtomicBool>);

/// One request that is counted apart.
#[derive(Debug)]
pub(crate) struct Apart {
    counters: Arc<ApartCounters>,
    kind: ApartKind,
}

/// Why a request is counted apart.
#[derive(Debug)]
pub(super) enum ApartKind {
    Overridden,
    Original(CopySent),
    Copy(CopySent),
}

impl ApartCounters {
    /// Counts a request of which no copy was sent, by the reason.
    #[cold]
    pub(super) fn count_unsent(&self, why: Unsent) {
        // Relaxed, here and below: counts of their own, which order nothing.
        self.unsent[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many copies were sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Reads the traffic of copies.
    pub(super) fn copies(&self) -> CopyTraffic {
        // The ends first: no more copies have ended than were sent.
        let ends = self.copies.activity();
        let unsent = self.unsent.each_ref().map(|count| count.load(Ordering::Relaxed));
        CopyTraffic::new(self.sent(), unsent, ends)
    }
}

impl CopySent {
    /// Returns whether the copy was sent.
    fn get(&self) -> bool {
        // Relaxed: a late read leaves one original out of a comparison.
        self.0.load(Ordering::Relaxed)
    }
}

impl Apart {
    /// Creates the record of one request, which is counted at the `counters` of its version.
    pub(super) const fn new(counters: Arc<ApartCounters>, kind: ApartKind) -> Self {
        Self { counters, kind }
    }

    /// Counts a copy as sent. Only then does its end count.
    pub(super) fn send_copy(&self) {
        if let ApartKind::Copy(sent) = &self.kind {
            sent.0.store(true, Ordering::Relaxed);
            self.counters.sent.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records the latency among the requests of this kind, and at the instance unless the request is a copy: nobody waits
    /// for the response to one.
    #[cold]
    pub(super) fn record_latency(&self, counters: &ShardCounters, began: ShardId, latency: Duration) {
        if let Some(ends) = self.ends() {
            // The shared shard, here and below: all threads write these counters, which have no shards.
            ends.record_latency(Shard::shared(), latency);
        }
        if !self.is_copy() {
            counters.record_latency(began, latency);
        }
    }

    /// Counts the end among the requests of this kind, and at the instance unless the request is a copy. Returns whether it
    /// was counted at the instance.
    #[cold]
    pub(super) fn count_outcome(&self, counters: &ShardCounters, began: ShardId, outcome: Outcome) -> bool {
        let counts_at_instance = !self.is_copy();
        // Before the end apart: `Ends::count_outcome` says why.
        if counts_at_instance {
            counters.count_outcome(began, outcome);
        }
        if let Some(ends) = self.ends() {
            ends.count_outcome(Shard::shared(), outcome);
        }
        counts_at_instance
    }

    /// Returns where the end counts apart. `None`: the copy was not sent.
    fn ends(&self) -> Option<&Ends> {
        match &self.kind {
            ApartKind::Overridden => Some(&self.counters.overridden),
            ApartKind::Original(sent) => sent.get().then_some(&self.counters.originals),
            ApartKind::Copy(sent) => sent.get().then_some(&self.counters.copies),
        }
    }

    /// Returns whether the request is a copy.
    const fn is_copy(&self) -> bool {
        matches!(self.kind, ApartKind::Copy(_))
    }
}
