//! The counters of one version, written where requests run.

use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::activity::Activity;
use super::history::History;
use super::in_flight::InFlight;
use super::shard_counters::ShardCounters;
use crate::common::lock::lock;
use crate::common::sharded::{Shard, per_shard};
use crate::routing::Reason;

/// The counters of one version. Requests write them without a lock, each thread on its own shard.
#[derive(Debug)]
pub(crate) struct Counters {
    shards: Box<[Arc<ShardCounters>]>,
    /// Locked while a sample is recorded or read. Requests never take the lock.
    history: Mutex<History>,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self { shards: per_shard(|_, _| Arc::default()), history: Mutex::new(History::new()) }
    }

    /// Counts a request that was given the version for `reason`. It is in flight until the result is dropped.
    #[inline]
    pub(crate) fn enter(&self, shard: Shard, reason: Reason) -> InFlight {
        let counters = shard.of(&self.shards);
        counters.count_pick(reason);
        InFlight::new(Arc::clone(counters))
    }

    /// Returns how many requests are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        let in_flight = self.shards.iter().map(|counters| Arc::strong_count(counters) - 1).sum();
        // Pairs with the Release in `Arc::drop`: a caller that sees a request ended sees what the request did before.
        fence(Ordering::Acquire);
        in_flight
    }

    /// Returns how many requests were given the version for `reason`.
    pub(crate) fn picks(&self, reason: Reason) -> u64 {
        self.shards.iter().map(|counters| counters.picks(reason)).sum()
    }

    /// Returns all activity until now.
    pub(crate) fn total(&self) -> Activity {
        let mut total = self.counts();
        for counters in &self.shards {
            counters.add_latencies_to(&mut total);
        }
        total
    }

    /// Returns all activity until now without latencies.
    fn counts(&self) -> Activity {
        let mut counts = Activity::default();
        for counters in &self.shards {
            counters.add_counts_to(&mut counts);
        }
        counts
    }

    fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.history)
    }

    /// Records a sample at `now`.
    pub(crate) fn sample(&self, now: Instant) {
        let in_flight = self.in_flight();
        let counts = self.counts();
        let mut history = self.history();
        // Of many versions most are idle: their latencies need not be read.
        if in_flight > 0 || history.is_behind(&counts) {
            history.record(now, self.total(), in_flight);
        } else {
            history.forget_expired(now);
        }
    }

    /// Returns how long the version has had no request, as [`History::idle_for`] defines it.
    pub(super) fn idle_for(&self, now: Instant, total: &Activity) -> Option<Duration> {
        self.history().idle_for(now, total, self.in_flight())
    }

    /// Returns the activity from the sample at `start` until `total` was read.
    pub(super) fn since(&self, start: Instant, total: &Activity) -> Activity {
        self.history().since(start, total)
    }
}
