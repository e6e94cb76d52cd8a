//! The handle that publishes routes and finds the entries of services.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::{ArcSwap, Guard};
use foldhash::fast::RandomState;

use super::entry::ServiceEntry;
use super::fleet_settings::FleetSettings;
use crate::common::lock::lock;
use crate::health::Health;
use crate::routing::{Draw, Reason, Route, RoutingTable, ServiceName, Split};
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
/// | know when an instance may stop | [`instance_in_flight`](Self::instance_in_flight), [`is_instance_drained`](Self::is_instance_drained) |
/// | know which instances get requests | [`instances`](Self::instances) |
/// | watch the traffic | [`traffic`](Self::traffic), [`picks`](Self::picks), [`unknown_service_requests`](Self::unknown_service_requests), [`sample_traffic`](Self::sample_traffic) |
#[derive(Clone, Debug, Default)]
pub struct RoutingHandle {
    shared: Arc<Shared>,
}

/// What all clones of a handle share.
#[derive(Debug, Default)]
struct Shared {
    fleets: FleetSettings,
    entries: ArcSwap<Entries>,
    /// Locked while routes are published. Requests never take the lock. It is taken before the lock of an entry.
    publishing: Mutex<()>,
    /// Requests for services that have no entry, and requests that name no service.
    unknown: AtomicU64,
    /// Whether a version with several instances was published.
    has_instances: AtomicBool,
    /// Whether a rule of some layer may choose active versions at weight 0.
    zero_weight_reachable: AtomicBool,
    /// The rules that layers have, as bits: `1 << Reason`.
    rules: AtomicU8,
    /// Locked while samples are taken or read.
    sample_times: Mutex<SampleTimes>,
}

/// The entries by name. A map that is published is never changed: a new service replaces the map.
pub(crate) type Entries = HashMap<ServiceName, Arc<ServiceEntry>, RandomState>;

impl RoutingHandle {
    /// Creates a handle without routes, with [`Draw::Exact`].
    ///
    /// Clones share everything. An application makes one handle for all layers: the draws, the counters and
    /// the health of the instances belong to it.
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
        Self { shared: Arc::new(Shared { fleets: FleetSettings::new(draw), ..Shared::default() }) }
    }

    /// Returns the draw of all services of this handle.
    #[must_use]
    pub fn draw(&self) -> Draw {
        self.shared.fleets.draw()
    }

    /// Sets the settings by which the instances of all versions are judged. To be called before anything is published:
    /// fleets that exist are not judged. A second call has no effect.
    pub(crate) fn set_health(&self, health: Arc<Health>) {
        self.shared.fleets.set_health(health);
    }

    /// Returns the settings that all fleets of this handle share.
    pub(super) fn fleet_settings(&self) -> &FleetSettings {
        &self.shared.fleets
    }

    /// Returns the route that requests of `service` follow now, or `None` if it is not published.
    ///
    /// The route is a moment: a change that is published afterwards makes another one. For the version of a
    /// request use a layer, or [`choose`](Self::choose), which counts the request.
    ///
    /// ```
    /// use tower_canary::RoutingHandle;
    /// use tower_canary::routing::{Change, Route, Split};
    ///
    /// let split = Split::new("auth".parse()?, 7)
    ///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
    /// let handle = RoutingHandle::new();
    /// assert!(handle.publish(Route::compile(split)));
    /// assert_eq!(handle.route("auth").map(|route| route.split().generation()), Some(1));
    /// assert!(handle.route("orders").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn route(&self, service: &str) -> Option<Arc<Route>> {
        self.find(service)?.route()
    }

    /// Returns all routes that requests follow now.
    ///
    /// Each route is one that was published, but two routes may be from before and after a change that
    /// happened meanwhile.
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
        self.publish_to(&entry, &route);
        true
    }

    /// Publishes a route at its entry, under the lock of publications.
    fn publish_to(&self, entry: &ServiceEntry, route: &Arc<Route>) {
        if route.split().versions().iter().any(|version| version.instances.len().get() > 1) {
            // Relaxed: a flag of its own, which orders nothing.
            self.shared.has_instances.store(true, Ordering::Relaxed);
        }
        entry.publish(route, &self.shared.fleets);
    }

    /// Returns whether a version with several instances was published.
    ///
    /// Until then, the first stage of a `failover` has nothing to do, so a gateway can leave the retry out.
    ///
    /// ```
    /// assert!(!tower_canary::RoutingHandle::new().has_instances());
    /// ```
    #[must_use]
    pub fn has_instances(&self) -> bool {
        self.shared.has_instances.load(Ordering::Relaxed)
    }

    /// Withdraws the route of a service that was removed, and returns `true`, unless a generation later than `removed` is
    /// published: then that stays, and the result is `false`.
    ///
    /// The counters of its versions are forgotten once their requests have ended. A service that is registered again has
    /// versions of its own.
    #[must_use = "false: a later generation stays published"]
    pub(crate) fn withdraw(&self, removed: &Split) -> bool {
        let _publishing = lock(&self.shared.publishing);
        let Some(entry) = self.find(removed.service().as_str()) else { return true };
        // Also with another salt: the next life of the service continues its generations.
        if entry.route().is_some_and(|served| served.split().generation() > removed.generation()) {
            return false;
        }
        entry.remove();
        true
    }

    /// Publishes the routes of `table`, also where a later generation is published.
    ///
    /// Services that are not in `table` become unknown: their requests in flight are still counted. Services whose split is
    /// published already keep their route.
    pub fn replace(&self, table: &RoutingTable) {
        let _publishing = lock(&self.shared.publishing);
        let mut entries = self.entries_owned();
        for route in table.iter() {
            let entry = match entries.get(route.service().as_str()) {
                Some(entry) => Arc::clone(entry),
                // The first new service copies the entries. Most tables have none.
                None => self.add_entry(Arc::make_mut(&mut entries), route.service()),
            };
            if !entry.serves(route) {
                self.publish_to(&entry, route);
            }
        }
        // Each service of the table has an entry by now.
        if entries.len() > table.len() {
            let removed = entries.iter().filter(|(name, _)| table.get(name.as_str()).is_none());
            removed.for_each(|(_, entry)| entry.withdraw());
        }
        self.shared.entries.store(entries);
    }

    /// Adds an entry for `service` to `entries`.
    fn add_entry(&self, entries: &mut Entries, service: &ServiceName) -> Arc<ServiceEntry> {
        let entry = Arc::new(ServiceEntry::new(self.draw(), service));
        entries.insert(service.clone(), Arc::clone(&entry));
        entry
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

    /// Counts a request for a service that has no entry, or one that names no service.
    #[cold]
    pub(crate) fn count_unknown(&self) {
        // Relaxed: a count of its own, which orders nothing.
        self.shared.unknown.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many requests were for services that have no entry, or named no service.
    pub(super) fn requests_without_entry(&self) -> u64 {
        self.shared.unknown.load(Ordering::Relaxed)
    }

    /// Returns the entry of `service`, and creates it if it does not exist: for a layer that serves no other.
    pub(crate) fn entry(&self, service: &ServiceName) -> Arc<ServiceEntry> {
        let _publishing = lock(&self.shared.publishing);
        self.entry_locked(service)
    }

    /// Returns what [`entry`](Self::entry) returns, for a caller that holds the lock of publishing.
    fn entry_locked(&self, service: &ServiceName) -> Arc<ServiceEntry> {
        if let Some(entry) = self.find(service.as_str()) {
            return entry;
        }
        let mut entries = Entries::clone(&self.entries());
        let entry = self.add_entry(&mut entries, service);
        self.shared.entries.store(Arc::new(entries));
        entry
    }

    /// Records that a layer may send requests to active versions at weight 0.
    pub(crate) fn set_zero_weight_reachable(&self) {
        // Relaxed: it is set while layers are built, before they get requests.
        self.shared.zero_weight_reachable.store(true, Ordering::Relaxed);
    }

    /// Records that a layer has the rule whose choices have `reason`.
    pub(crate) fn add_rule(&self, reason: Reason) {
        // Relaxed: it is set while layers are built, and orders nothing.
        self.shared.rules.fetch_or(1 << reason as u8, Ordering::Relaxed);
    }

    /// Returns whether a layer of this handle has the rule for `reason`: an [override](Reason::Override), a
    /// [pin](Reason::Pin), an affinity ([`Reason::Key`]) or a [mirror](Reason::Mirror). Always `false` for
    /// [`Reason::Draw`], which needs no rule, and for [`Reason::Failover`]. A layer that was dropped counts as well.
    ///
    /// ```
    /// use tower_canary::layer::Affinity;
    /// use tower_canary::routing::Reason;
    /// use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
    ///
    /// let handle = RoutingHandle::new();
    /// let layer = WeightedVersionLayer::new(&handle, Target::path_segment());
    /// assert!(!handle.has_rule(Reason::Key));
    /// let layer = layer.with_affinity(Affinity::header(http::HeaderName::from_static("x-user")));
    /// assert!(handle.has_rule(Reason::Key));
    /// ```
    #[must_use]
    pub fn has_rule(&self, reason: Reason) -> bool {
        self.shared.rules.load(Ordering::Relaxed) & (1 << reason as u8) != 0
    }

    /// Returns whether a layer may send requests to active versions at weight 0, by a pin or an override. Then such
    /// versions are not drained. It never becomes false again: the handle does not learn when a layer and the requests
    /// in it are gone.
    pub(super) fn is_zero_weight_reachable(&self) -> bool {
        self.shared.zero_weight_reachable.load(Ordering::Relaxed)
    }

    /// Locks the times at which the counters were sampled.
    pub(super) fn sample_times(&self) -> MutexGuard<'_, SampleTimes> {
        lock(&self.shared.sample_times)
    }
}

/// Returns whether the served split is a later one of the same life of the service. A service that was
/// removed and registered again has another salt, and its generations say nothing about the earlier ones.
fn is_later(served: &Split, new: &Split) -> bool {
    served.salt() == new.salt() && served.generation() > new.generation()
}
