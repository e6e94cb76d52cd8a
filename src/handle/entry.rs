//! The entry of one service, where requests read its route.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;

use super::fleet::Fleet;
use super::fleet_settings::FleetSettings;
use super::live::{LiveRoute, LiveVersion};
use super::live_mirror::LiveMirror;
use super::retired::RetiredRoutes;
use crate::common::lock::lock;
use crate::routing::{Draw, Points, Route, ServiceName, Split, Version};
use crate::traffic::{Counters, ServiceSnapshot, VersionSnapshot};

/// The state of one service that outlives its routes: its draw, its counters, and its retired versions.
#[derive(Debug)]
pub(crate) struct ServiceEntry {
    service: ServiceName,
    /// The route that requests follow. `None`: no route is published.
    pub(super) live: ArcSwapOption<LiveRoute>,
    /// Locked while a route is published or observed. Requests never take the lock.
    retired: Mutex<RetiredRoutes>,
    /// The draw of the requests.
    pub(super) points: Points,
    /// The draw of the copies of requests. Created with the first mirror: few services have one.
    copy_points: OnceLock<Arc<Points>>,
    /// Requests that arrived while no version was active, or were refused since no instance was usable.
    pub(super) unserved: AtomicU64,
    /// Requests that arrived while no route was published.
    pub(super) unknown: AtomicU64,
    /// When the handle got the service.
    created: SystemTime,
}

impl ServiceEntry {
    /// Creates the entry of a service without a route. A seeded draw gets its points from the seed and the
    /// name, so they repeat whatever the order of the services.
    pub(super) fn new(draw: Draw, service: &ServiceName) -> Self {
        Self {
            service: service.clone(),
            live: ArcSwapOption::empty(),
            retired: Mutex::default(),
            points: Points::new(draw, service),
            copy_points: OnceLock::new(),
            unserved: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            created: SystemTime::now(),
        }
    }

    /// Returns the name, which never changes.
    pub(crate) const fn service(&self) -> &ServiceName {
        &self.service
    }

    /// Returns when the handle got the service.
    pub(super) const fn created(&self) -> SystemTime {
        self.created
    }

    /// Locks the routes that are not published any more. Requests never take this lock.
    pub(super) fn retired(&self) -> MutexGuard<'_, RetiredRoutes> {
        lock(&self.retired)
    }

    /// Calls `observe` with the live route and the retired ones.
    ///
    /// The route is held under the lock only, so that it cannot retire while an observer holds it: see
    /// [`RetiredRoutes`].
    pub(super) fn observe<T>(&self, observe: impl FnOnce(Option<&LiveRoute>, &RetiredRoutes) -> T) -> T {
        let retired = self.retired();
        let live = self.live.load();
        observe(live.as_deref(), &retired)
    }

    /// Returns the route that requests follow now.
    pub(super) fn route(&self) -> Option<Arc<Route>> {
        self.observe(|live, _| live.map(|live| Arc::clone(live.route())))
    }

    /// Returns whether requests follow `route`, or another one of the same split.
    pub(super) fn serves(&self, route: &Arc<Route>) -> bool {
        self.observe(|live, _| {
            let served = live.map(LiveRoute::route);
            served.is_some_and(|served| Arc::ptr_eq(served, route) || served.split() == route.split())
        })
    }

    /// Makes `route` the one that requests follow, and retires the route before it.
    pub(super) fn publish(&self, route: &Arc<Route>, settings: &FleetSettings) {
        let mut retired = self.retired();
        let mirror = LiveMirror::new(route.split(), || self.copy_points(settings.draw()));
        let next = self.continued(&mut retired, Arc::clone(route), settings).with_mirror(mirror);
        for version in next.used_versions() {
            version.counters().forget_removed();
        }
        if let Some(before) = self.live.swap(Some(Arc::new(next))) {
            retired.retire(&before, Some(route.split()));
        }
        retired.set_removed(false);
    }

    /// Returns the draw of the copies. It outlives the mirrors.
    fn copy_points(&self, draw: Draw) -> Arc<Points> {
        Arc::clone(self.copy_points.get_or_init(|| Arc::new(Points::for_copies(draw, &self.service))))
    }

    /// Creates the live route of `route`, with the counters and instances of versions that are live or retired now.
    fn continued(
        &self,
        retired: &mut RetiredRoutes,
        route: Arc<Route>,
        settings: &FleetSettings,
    ) -> LiveRoute {
        let live = self.live.load();
        match live.as_deref() {
            None if retired.versions().is_empty() => LiveRoute::new(route, settings),
            live => LiveRoute::continuing(route, settings, |version| {
                live.and_then(|live| live.version(version).cloned()).or_else(|| retired.take(version))
            }),
        }
    }

    /// Withdraws the route. The service is unknown until a route is published again.
    pub(super) fn withdraw(&self) {
        self.withdraw_locked(&mut self.retired());
    }

    /// Withdraws the route of a service that was removed: its versions do not return.
    pub(super) fn remove(&self) {
        let mut retired = self.retired();
        self.withdraw_locked(&mut retired);
        retired.set_removed(true);
    }

    /// Withdraws the route, if there is one, and retires its versions.
    fn withdraw_locked(&self, retired: &mut RetiredRoutes) {
        if let Some(before) = self.live.swap(None) {
            retired.retire(&before, None);
        }
    }

    /// Forgets the versions of a removed service that have no requests in flight.
    #[cfg(feature = "metrics")]
    pub(super) fn forget_removed(&self) {
        self.retired().forget_removed();
    }

    /// Returns how many requests the version called `name` has in flight.
    pub(super) fn in_flight(&self, name: &str) -> usize {
        self.observe(|live, retired| in_flight(live, retired, name))
    }

    /// Returns whether the version called `name` is drained: it gets no more requests, and its last one has ended. A
    /// version that is neither published nor in use is drained.
    pub(super) fn is_drained(&self, name: &str, zero_weight_reachable: bool) -> bool {
        self.observe(|live, retired| {
            let split = live.map(|live| live.route().split());
            let version = split.and_then(|split| Some((split, split.version(name)?)));
            let is_reachable =
                version.is_some_and(|(split, version)| is_reachable(split, version, zero_weight_reachable));
            !is_reachable && in_flight(live, retired, name) == 0
        })
    }

    /// Returns how many requests arrived while no route was published.
    pub(super) fn unknown(&self) -> u64 {
        // Relaxed: a count of its own, which orders nothing.
        self.unknown.load(Ordering::Relaxed)
    }

    /// Returns the counters of the version called `name`, if it is published.
    pub(super) fn counters(&self, name: &str) -> Option<Arc<Counters>> {
        self.observe(|live, _| live?.counters_by_name(name).cloned())
    }

    /// Returns the fleets of the published versions.
    pub(super) fn fleets(&self) -> Vec<Arc<Fleet>> {
        self.observe(|live, _| live.map_or_else(Vec::new, |live| live.fleets().cloned().collect()))
    }

    /// Returns the route and its counters, or `None` if no route is published.
    pub(super) fn snapshot(&self, zero_weight_reachable: bool) -> Option<ServiceSnapshot> {
        self.observe(|live, retired| Some(self.snapshot_of(live?, retired, zero_weight_reachable)))
    }

    /// Reads the counters of all versions, published and removed, under the lock of the retired ones.
    pub(super) fn snapshot_of(
        &self,
        live: &LiveRoute,
        retired: &RetiredRoutes,
        zero_weight_reachable: bool,
    ) -> ServiceSnapshot {
        // Before the counters are read: see `RetiredRoutes`.
        let readers = retired.readers();
        let split = live.route().split();
        let published = split.versions().iter().enumerate();
        let published = published
            .map(|(i, version)| {
                let counters = live.used_versions().get(i).map(|live| Arc::clone(live.counters()));
                let others = readers + retired.in_flight(version.name.as_str()).unwrap_or(0);
                let is_reachable = is_reachable(split, version, zero_weight_reachable);
                VersionSnapshot::new(counters, others).with_reachable(is_reachable)
            })
            .collect();
        let retired_versions = retired.versions().iter().map(|retired| {
            (retired.version.clone(), VersionSnapshot::new(Some(Arc::clone(retired.counters())), readers))
        });
        ServiceSnapshot {
            route: Arc::clone(live.route()),
            unserved: self.unserved.load(Ordering::Relaxed),
            published,
            retired: retired_versions.collect(),
        }
    }

    /// Returns the counters of the published versions, or nothing if they were not created yet.
    pub(super) fn used_counters(&self) -> Vec<Arc<Counters>> {
        self.observe(|live, _| {
            let versions = live.map_or(&[][..], LiveRoute::used_versions);
            versions.iter().map(LiveVersion::counters).cloned().collect()
        })
    }
}

/// Returns whether requests may be given `version` of `split`: by weight, or at weight 0 by a rule that may choose active
/// versions, or by the mirror.
pub(super) fn is_reachable(split: &Split, version: &Version, zero_weight_reachable: bool) -> bool {
    let is_mirrored = || split.mirror().is_some_and(|mirror| mirror.version == version.name);
    !version.weight.is_zero() || (version.active && (zero_weight_reachable || is_mirrored()))
}

/// Returns the requests in flight at the published and the retired versions called `name`, and all readers of retired
/// routes that have not chosen yet: too many for a moment, never too few.
fn in_flight(live: Option<&LiveRoute>, retired: &RetiredRoutes, name: &str) -> usize {
    // Before the counters are read: see `RetiredRoutes`.
    let readers = retired.readers();
    let published = live.and_then(|live| live.counters_by_name(name)).map(|counters| counters.in_flight());
    match (published, retired.in_flight(name)) {
        // No route that a request reads has such a version.
        (None, None) => 0,
        (published, retired) => readers + published.unwrap_or(0) + retired.unwrap_or(0),
    }
}
