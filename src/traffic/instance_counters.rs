//! The counters of one instance, written where requests run.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use super::activity::Activity;
#[cfg(feature = "mirror")]
use super::apart_counters::CopySentFlag;
use super::apart_counters::{ApartCounters, ApartKind, ApartRecord};
use super::failure_row::FailureRow;
use super::in_flight::InFlight;
use super::outcome::Outcome;
use super::shard_counters::ShardCounters;
use crate::common::sharded::{Shard, per_shard};
use crate::routing::Reason;

/// The counters of one instance. Requests write them without a lock, each thread on its own shard.
///
/// A clone shares the counters. Requests can be sent to the instance only by those who have a clone: see
/// [`has_ended`](Self::has_ended).
#[derive(Clone, Debug)]
pub(crate) struct InstanceCounters {
    shards: Arc<[Arc<ShardCounters>]>,
    /// Shared by all instances of the version.
    apart: Arc<ApartCounters>,
}

impl InstanceCounters {
    /// Creates counters whose requests report to `row` how they ended, if there is one. Some of them are counted at `apart`.
    pub(super) fn new(row: Option<&Arc<FailureRow>>, apart: &Arc<ApartCounters>) -> Self {
        let shards = per_shard(|_, _| Arc::new(ShardCounters::new(row.cloned())));
        Self { shards, apart: Arc::clone(apart) }
    }

    /// Counts a request that was given the version for `reason`. It is in flight until the result is dropped.
    #[inline]
    pub(crate) fn enter(&self, shard: Shard, reason: Reason) -> InFlight {
        if reason == Reason::Override {
            return self.enter_overridden(shard);
        }
        let counters = shard.of(&self.shards);
        counters.count_pick(shard, reason);
        InFlight::new(Arc::clone(counters), shard.id())
    }

    /// Counts a request that names its version. It is also counted apart, since testers are no sample of the
    /// users.
    #[cold]
    fn enter_overridden(&self, shard: Shard) -> InFlight {
        let counters = shard.of(&self.shards);
        counters.count_pick(shard, Reason::Override);
        let mut in_flight = InFlight::new(Arc::clone(counters), shard.id());
        in_flight.set_apart_record(self.apart_record(ApartKind::Overridden));
        in_flight
    }

    /// Counts a copy in flight. It counts as a copy once it is [sent](InFlight::record_copy_sent), which sets
    /// `copy_sent`.
    #[cfg(feature = "mirror")]
    pub(crate) fn enter_copy(&self, shard: Shard, copy_sent: &CopySentFlag) -> InFlight {
        let mut in_flight = InFlight::new(Arc::clone(shard.of(&self.shards)), shard.id());
        in_flight.set_apart_record(self.apart_record(ApartKind::Copy(copy_sent.clone())));
        in_flight
    }

    /// Creates the record by which the original of a copy is counted apart, once `copy_sent` is set.
    #[cfg(feature = "mirror")]
    pub(crate) fn original_record(&self, copy_sent: &CopySentFlag) -> Arc<ApartRecord> {
        self.apart_record(ApartKind::Original(copy_sent.clone()))
    }

    /// Creates the record of one request that is counted apart, at the counters of the version.
    fn apart_record(&self, kind: ApartKind) -> Arc<ApartRecord> {
        Arc::new(ApartRecord::new(Arc::clone(&self.apart), kind))
    }

    /// Returns how many requests of `shard` are in flight.
    ///
    /// It is a hint for a choice: the count may be outdated.
    #[inline]
    pub(crate) fn in_flight_of(&self, shard: Shard) -> usize {
        Arc::strong_count(shard.of(&self.shards)) - 1
    }

    /// Returns how many requests are in flight.
    pub(super) fn in_flight(&self) -> usize {
        let in_flight = self.shards.iter().map(|counters| Arc::strong_count(counters) - 1).sum();
        // Pairs with the Release in `Arc::drop`: a caller that sees a request ended sees what the request did before.
        fence(Ordering::Acquire);
        in_flight
    }

    /// Returns whether this is the only clone and no request is in flight. Then no request follows.
    ///
    /// A route holds a clone for its requests. A request counts itself before it drops its guard of the route.
    pub(super) fn has_ended(&self) -> bool {
        if Arc::strong_count(&self.shards) > 1 {
            return false;
        }
        // Pairs with the Release in `Arc::drop` of the other clones: requests that they counted are visible below.
        fence(Ordering::Acquire);
        self.in_flight() == 0
    }

    /// Returns how many requests were given the version for `reason`.
    pub(super) fn picks(&self, reason: Reason) -> u64 {
        self.shards.iter().map(|counters| counters.picks(reason)).sum()
    }

    /// Returns how many requests were given to the instance, without copies.
    pub(crate) fn requests(&self) -> u64 {
        Reason::ALL.iter().map(|reason| self.picks(*reason)).sum()
    }

    /// Returns how many requests failed: as the row of failures counts them, or those with [`Outcome::Error`] if there
    /// is no row.
    pub(super) fn failures(&self) -> u64 {
        match self.shards.first().and_then(|counters| counters.row()) {
            Some(row) => row.failures(),
            None => self.shards.iter().map(|counters| counters.outcomes(Outcome::Error)).sum(),
        }
    }

    /// Adds the picks and outcomes to `activity`.
    pub(super) fn add_counts_to(&self, activity: &mut Activity) {
        self.shards.iter().for_each(|counters| counters.add_counts_to(activity));
    }

    /// Adds the latencies to `activity`.
    pub(super) fn add_latencies_to(&self, activity: &mut Activity) {
        self.shards.iter().for_each(|counters| counters.add_latencies_to(activity));
    }
}
