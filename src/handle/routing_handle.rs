//! The handle that publishes routes and finds the entries of services.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::{ArcSwap, Guard};
use foldhash::fast::RandomState;

use super::entry::ServiceEntry;
use crate::common::lock::lock;
use crate::routing::{Draw, Route, RoutingTable, ServiceName, Split};
use crate::traffic::SampleTimes;

/// The routes that requests follow: published by one side, read without a lock by the layer.
///
/// Clones share the routes. Each request reads the route of its service once, so it follows one split whole. Every request
/// that starts after [`publish`](Self::publish) returned follows the published route.
///
/// ```
/// use tower_canary::routing::{Change, Route, Split};
/// use tower_canary::RoutingHandle;
///
/// let handle = RoutingHandle::new();
/// let split = Split::new("auth".parse()?, 7)
///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
/// assert!(handle.publish(Route::compile(split)));
/// assert_eq!(handle.route("auth").map(|route| route.split().generation()), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | to | use |
/// | --- | --- |
/// | publish routes | [`publish`](Self::publish), [`replace`](Self::replace); [`Deployments`](crate::Deployments) does it for a store |
/// | read them | [`route`](Self::route), [`table`](Self::table) |
/// | send requests | [`WeightedVersionLayer`](crate::WeightedVersionLayer), or [`choose`](Self::choose) without a Tower client |
/// | know when a version may stop | [`in_flight`](Self::in_flight), [`is_drained`](Self::is_drained) |
/// | watch the traffic | [`traffic`](Self::traffic), [`picks`](Self::picks), [`unknown_service_requests`](Self::unknown_service_requests), [`sample_traffic`](Self::sample_traffic) |
#[derive(Clone, Debug, Default)]
pub struct RoutingHandle {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    draw: Draw,
    entries: ArcSwap<Entries>,
    /// Locked while routes are published. Requests never take the lock. It is taken before the lock of an entry.
    publishing: Mutex<()>,
    /// Requests for services that have no entry.
    unknown: AtomicU64,
    /// Whether a rule of some layer may choose active versions at weight 0.
    zero_weight_reachable: AtomicBool,
    /// Locked while samples are taken or read.
    sample_times: Mutex<SampleTimes>,
}

pub(crate) type Entries = HashMap<ServiceName, Arc<ServiceEntry>, RandomState>;

impl RoutingHandle {
    /// Creates a handle without routes, with [`Draw::Exact`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a handle without routes, whose services use `draw`.
    ///
    /// ```
    /// use tower_canary::{Draw, RoutingHandle};
    ///
    /// let handle = RoutingHandle::with_draw(Draw::Seeded(7));
    /// assert_eq!(handle.draw(), Draw::Seeded(7));
    /// ```
    #[must_use]
    pub fn with_draw(draw: Draw) -> Self {
        Self { shared: Arc::new(Shared { draw, ..Shared::default() }) }
    }

    /// Returns the draw of all services of this handle.
    #[must_use]
    pub fn draw(&self) -> Draw {
        self.shared.draw
    }

    /// Returns the route that requests of `service` follow now, or `None` if it is not published.
    #[must_use]
    pub fn route(&self, service: &str) -> Option<Arc<Route>> {
        self.find(service)?.route()
    }

    /// Returns all routes that requests follow now.
    #[must_use]
    pub fn table(&self) -> RoutingTable {
        self.entries_owned().values().filter_map(|entry| entry.route()).collect()
    }

    /// Publishes `route` and returns `true`, unless a later generation of its split is published: then that stays, and the
    /// result is `false`.
    ///
    /// A service that was removed and registered again starts over: its salt differs.
    #[must_use = "false: a later generation stays published"]
    pub fn publish(&self, route: impl Into<Arc<Route>>) -> bool {
        let route = route.into();
        let _publishing = lock(&self.shared.publishing);
        let entry = self.entry_locked(route.service());
        if entry.route().is_some_and(|served| is_later(served.split(), route.split())) {
            return false;
        }
        entry.publish(&route);
        true
    }

    /// Publishes the routes of `table`, also where a later generation is published.
    ///
    /// Services that are not in `table` become unknown: their requests in flight are still counted. Services whose split is
    /// published already keep their route.
    pub fn replace(&self, table: &RoutingTable) {
        let _publishing = lock(&self.shared.publishing);
        let mut entries = Entries::clone(&self.entries());
        for (name, entry) in &entries {
            if table.get(name.as_str()).is_none() {
                entry.withdraw();
            }
        }
        for route in table.iter() {
            let entry = entries
                .entry(route.service().clone())
                .or_insert_with(|| Arc::new(ServiceEntry::new(self.shared.draw, route.service())));
            if entry.route().is_none_or(|served| served.split() != route.split()) {
                entry.publish(route);
            }
        }
        self.shared.entries.store(Arc::new(entries));
    }

    /// Returns the entry of `service`, if a route of it was ever published or a layer asked for it.
    pub(super) fn find(&self, service: &str) -> Option<Arc<ServiceEntry>> {
        self.entries().get(service).cloned()
    }

    /// Returns the entries of all services. The guard is for a lookup: to be dropped before anything waits.
    pub(crate) fn entries(&self) -> Guard<Arc<Entries>> {
        self.shared.entries.load()
    }

    /// Returns the entries of all services without a guard, for work that takes a while.
    pub(super) fn entries_owned(&self) -> Arc<Entries> {
        self.shared.entries.load_full()
    }

    /// Counts a request for a service that has no entry.
    #[cold]
    pub(crate) fn count_unknown(&self) {
        // Relaxed: a count of its own, which orders nothing.
        self.shared.unknown.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many requests were for services that have no entry.
    pub(super) fn without_entry(&self) -> u64 {
        self.shared.unknown.load(Ordering::Relaxed)
    }

    /// Returns the entry of `service`, and creates it if it does not exist: for a layer that serves no other.
    pub(crate) fn entry(&self, service: &ServiceName) -> Arc<ServiceEntry> {
        let _publishing = lock(&self.shared.publishing);
        self.entry_locked(service)
    }

    /// The same, for a caller that holds the lock of publishing.
    fn entry_locked(&self, service: &ServiceName) -> Arc<ServiceEntry> {
        if let Some(entry) = self.find(service.as_str()) {
            return entry;
        }
        let entry = Arc::new(ServiceEntry::new(self.shared.draw, service));
        let mut entries = Entries::clone(&self.entries());
        entries.insert(service.clone(), Arc::clone(&entry));
        self.shared.entries.store(Arc::new(entries));
        entry
    }

    /// Records that a layer may send requests to active versions at weight 0.
    pub(crate) fn set_zero_weight_reachable(&self) {
        // Relaxed: it is set while layers are built, before they get requests.
        self.shared.zero_weight_reachable.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_zero_weight_reachable(&self) -> bool {
        self.shared.zero_weight_reachable.load(Ordering::Relaxed)
    }

    pub(super) fn sample_times(&self) -> MutexGuard<'_, SampleTimes> {
        lock(&self.shared.sample_times)
    }
}

fn is_later(served: &Split, new: &Split) -> bool {
    served.salt() == new.salt() && served.generation() > new.generation()
}
