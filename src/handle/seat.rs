//! One instance as requests see it.

use std::sync::Arc;

use super::fleet::{Fleet, InstanceTraffic};
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
    /// The failures in a row. `None` for the only instance of a version that is not checked: they decide nothing there.
    row: Option<Arc<FailureRow>>,
    /// The place in the fleet, which the row notifies when it is full. `None`: nothing judges the instance.
    place: Option<Arc<Place<Fleet>>>,
}

impl Seat {
    /// Creates the only instance of a version that is not checked.
    pub(super) fn alone(backend: &Backend, counters: &Counters) -> Self {
        Self::new(backend, counters, None, None)
    }

    /// Creates one of several instances, which nothing judges. Its failures in a row are counted for the choice among
    /// them.
    pub(super) fn balanced(backend: &Backend, counters: &Counters) -> Self {
        Self::new(backend, counters, Some(Arc::new(FailureRow::unlimited())), None)
    }

    /// Creates an instance that is queued by its `place`, to be judged, after `limit` failures in a row.
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

    /// Returns the parts of the base URL for requests of `shard`.
    #[inline]
    pub(super) fn upstream(&self, shard: Shard) -> &Upstream {
        self.upstreams.at(shard)
    }

    /// Counts a request in flight until the result is dropped.
    #[inline]
    pub(super) fn enter(&self, shard: Shard, reason: Reason) -> InFlight {
        self.counters.enter(shard, reason)
    }

    /// Counts a copy in flight until the result is dropped.
    #[cfg(feature = "mirror")]
    pub(super) fn enter_copy(&self, shard: Shard, copy_sent: &CopySentFlag) -> InFlight {
        self.counters.enter_copy(shard, copy_sent)
    }

    /// Creates the record by which the original of a copy is counted apart, once the copy is sent.
    #[cfg(feature = "mirror")]
    pub(super) fn original_record(&self, copy_sent: &CopySentFlag) -> Arc<ApartRecord> {
        self.counters.original_record(copy_sent)
    }

    /// Returns the load by which instances are compared: the requests in flight of `shard` alone, and the failures in a
    /// row on all threads, 0 if they are not counted.
    #[inline]
    pub(super) fn load(&self, shard: Shard) -> Load {
        let failures = self.row.as_ref().map_or(0, |row| row.length());
        Load { in_flight: self.counters.in_flight_of(shard), failures }
    }

    /// Returns whether its failures in a row are counted.
    pub(super) const fn has_row(&self) -> bool {
        self.row.is_some()
    }

    /// Returns the place of the instance in its fleet, or `None` if nothing judges the instance.
    pub(super) const fn place(&self) -> Option<&Arc<Place<Fleet>>> {
        self.place.as_ref()
    }

    /// Returns the counters and the failures in a row, for the fleet.
    pub(super) fn traffic(&self) -> InstanceTraffic {
        InstanceTraffic { counters: self.counters.clone(), row: self.row.clone() }
    }
}
