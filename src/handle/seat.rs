//! One instance as requests see it.

use std::sync::Arc;

use super::fleet::{Fleet, Member};
use super::full_rows::Place;
use super::upstream::Upstream;
use crate::balance::Load;
use crate::common::sharded::{Shard, Sharded};
use crate::routing::{Backend, Reason};
#[cfg(feature = "mirror")]
use crate::traffic::{ApartRecord, CopySentFlag};
use crate::traffic::{Counters, FailureRow, InFlight, InstanceCounters};

/// One instance as requests see it. A clone is the same instance.
///
/// Routes pass it on while the version keeps the base URL. So its requests in flight and its failures survive changes of
/// weights and of other base URLs.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    upstreams: Sharded<Upstream>,
    counters: InstanceCounters,
    /// `None` for the only instance of a version without health.
    row: Option<Arc<FailureRow>>,
    /// Where its row finds its fleet. `None`: no row is ever full.
    place: Option<Arc<Place<Fleet>>>,
}

impl Seat {
    /// Creates the only instance of a version without health.
    pub(super) fn alone(backend: &Backend, counters: &Counters) -> Self {
        Self::new(backend, counters, None, None)
    }

    /// Creates an instance that is balanced with others, and that nobody judges.
    pub(super) fn balanced(backend: &Backend, counters: &Counters) -> Self {
        Self::new(backend, counters, Some(Arc::new(FailureRow::unlimited())), None)
    }

    /// Creates an instance that is judged at `place` after `limit` failures in a row.
    pub(super) fn judged(
        backend: &Backend,
        counters: &Counters,
        limit: u32,
        place: Arc<Place<Fleet>>,
    ) -> Self {
        let row = FailureRow::limited(limit, Arc::clone(&place) as _);
        Self::new(backend, counters, Some(Arc::new(row)), Some(place))
    }

    /// Creates the seat of an instance, with its counters and an address for each shard: two threads share no
    /// cache line by sending to one instance.
    fn new(
        backend: &Backend,
        counters: &Counters,
        row: Option<Arc<FailureRow>>,
        place: Option<Arc<Place<Fleet>>>,
    ) -> Self {
        let counters = counters.add_instance(backend.clone(), row.as_ref());
        Self { upstreams: Sharded::new(|shard, _| Upstream::new(backend, shard)), counters, row, place }
    }

    /// Returns the address on this shard.
    #[inline]
    pub(super) fn upstream(&self, shard: Shard) -> &Upstream {
        self.upstreams.at(shard)
    }

    /// Counts a request in flight.
    #[inline]
    pub(super) fn enter(&self, shard: Shard, reason: Reason) -> InFlight {
        self.counters.enter(shard, reason)
    }

    /// Counts a copy in flight.
    #[cfg(feature = "mirror")]
    pub(super) fn enter_copy(&self, shard: Shard, copy_sent: &CopySentFlag) -> InFlight {
        self.counters.enter_copy(shard, copy_sent)
    }

    /// Creates the record by which the original of a copy is counted apart, once the copy is sent.
    #[cfg(feature = "mirror")]
    pub(super) fn original_record(&self, copy_sent: &CopySentFlag) -> Arc<ApartRecord> {
        self.counters.original_record(copy_sent)
    }

    /// Returns the load of the instance as the threads of `shard` know it.
    #[inline]
    pub(super) fn load(&self, shard: Shard) -> Load {
        let failures = self.row.as_ref().map_or(0, |row| row.length());
        Load { in_flight: self.counters.in_flight_of(shard), failures }
    }

    /// Returns whether it keeps a row of failures.
    pub(super) const fn has_row(&self) -> bool {
        self.row.is_some()
    }

    /// Returns where its row finds its fleet, if it is judged.
    pub(super) const fn place(&self) -> Option<&Arc<Place<Fleet>>> {
        self.place.as_ref()
    }

    /// Returns what its fleet reads of it.
    pub(super) fn member(&self) -> Member {
        Member { counters: self.counters.clone(), row: self.row.clone() }
    }
}
