//! The entry of one service, where requests read its route.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::{ArcSwapOption, Guard};

use super::live::LiveRoute;
use super::retired::Retired;
use super::upstream::Upstream;
use crate::common::lock::lock;
use crate::common::sharded::Shard;
use crate::routing::{Draw, Point, Points, Reason, Route, ServiceName, Split, Version, VersionName};
use crate::traffic::{Counters, InFlight, ServiceSnapshot, VersionSnapshot};

/// The state of one service that outlives its routes: its draw, its counters, and the versions that still drain.
#[derive(Debug)]
pub(crate) struct ServiceEntry {
    service: ServiceName,
    live: ArcSwapOption<LiveRoute>,
    /// Locked while a route is published or observed. Requests never take the lock.
    retired: Mutex<Retired>,
    points: Points,
    /// Requests that arrived while no version was active.
    unserved: AtomicU64,
    /// Requests that arrived while no route was published.
    unknown: AtomicU64,
}

/// The version that a request was given. It borrows from the route and is consumed before the request is sent.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) split: &'a Split,
    /// The position of the version in the split.
    pub(crate) version: usize,
    pub(crate) upstream: &'a Upstream,
    pub(crate) reason: Reason,
    pub(crate) in_flight: InFlight,
}

/// The live route as one request loaded it. To be dropped before the request is sent: while it lives, the route counts the
/// request as a reader.
#[derive(Debug)]
pub(crate) struct Loaded<'a> {
    entry: &'a ServiceEntry,
    live: Guard<Option<Arc<LiveRoute>>>,
}

/// One published route for the rules of one request, so that all of them see one split.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RouteSnapshot<'a> {
    entry: &'a ServiceEntry,
    live: &'a LiveRoute,
    shard: Shard,
}

/// What a rule decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick {
    /// The position of the version in the split, or `None` if the point or slot belongs to no version.
    pub(crate) version: Option<usize>,
    pub(crate) reason: Reason,
}

/// Why a request was given no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoChoice {
    UnknownService,
    NoActiveVersion,
}

impl ServiceEntry {
    pub(super) fn new(draw: Draw, service: &ServiceName) -> Self {
        Self {
            service: service.clone(),
            live: ArcSwapOption::empty(),
            retired: Mutex::default(),
            points: Points::new(draw, service),
            unserved: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        }
    }

    pub(crate) const fn service(&self) -> &ServiceName {
        &self.service
    }

    fn retired(&self) -> MutexGuard<'_, Retired> {
        lock(&self.retired)
    }

    /// Calls `observe` with the live route and the retired ones.
    ///
    /// The route is held under the lock only, so that it cannot retire while an observer holds it: see [`Retired`].
    fn observe<T>(&self, observe: impl FnOnce(Option<&LiveRoute>, &Retired) -> T) -> T {
        let retired = self.retired();
        let live = self.live.load();
        observe(live.as_deref(), &retired)
    }

    /// Returns the route that requests follow now.
    pub(super) fn route(&self) -> Option<Arc<Route>> {
        self.observe(|live, _| live.map(|live| Arc::clone(live.route())))
    }

    /// Makes `route` the one that requests follow.
    pub(super) fn publish(&self, route: &Arc<Route>) {
        let mut retired = self.retired();
        let next = self.continue_counters(&mut retired, Arc::clone(route));
        if let Some(before) = self.live.swap(Some(Arc::new(next))) {
            retired.retire(&before, Some(route.split()));
        }
    }

    /// Creates the live route of `route`, with the counters of versions that are live or retired now.
    fn continue_counters(&self, retired: &mut Retired, route: Arc<Route>) -> LiveRoute {
        let live = self.live.load();
        match live.as_deref() {
            None if retired.versions().is_empty() => LiveRoute::new(route),
            live => LiveRoute::with_counters(route, |version| {
                live.and_then(|live| live.counters(version).cloned()).or_else(|| retired.take(version))
            }),
        }
    }

    /// Withdraws the route. The service is unknown until a route is published again.
    pub(super) fn withdraw(&self) {
        let mut retired = self.retired();
        if let Some(before) = self.live.swap(None) {
            retired.retire(&before, None);
        }
    }

    /// Returns how many requests the version called `name` has in flight. `None` for a version that is neither published
    /// nor in use.
    pub(super) fn in_flight(&self, name: &str) -> Option<usize> {
        self.observe(|live, retired| in_flight(live, retired, name))
    }

    /// Returns whether the version called `name` is drained: it gets no more requests, and its last one has ended. `None`
    /// for a version that is neither published nor in use.
    pub(super) fn is_drained(&self, name: &str, zero_weight_reachable: bool) -> Option<bool> {
        self.observe(|live, retired| {
            let in_flight = in_flight(live, retired, name)?;
            let version = live.and_then(|live| live.route().split().version(name));
            let is_reachable = version.is_some_and(|version| is_reachable(version, zero_weight_reachable));
            Some(in_flight == 0 && !is_reachable)
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

    /// Loads the route for one request.
    #[inline]
    pub(crate) fn load(&self) -> Loaded<'_> {
        Loaded { entry: self, live: self.live.load() }
    }

    #[cold]
    fn count_unknown(&self) {
        // Relaxed, here and below: counts of their own, which order nothing.
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    #[cold]
    fn count_unserved(&self) -> NoChoice {
        self.unserved.fetch_add(1, Ordering::Relaxed);
        NoChoice::NoActiveVersion
    }

    /// Returns the route and its counters, or `None` if no route is published.
    pub(super) fn snapshot(&self, zero_weight_reachable: bool) -> Option<ServiceSnapshot> {
        self.observe(|live, retired| Some(self.snapshot_of(live?, retired, zero_weight_reachable)))
    }

    fn snapshot_of(
        &self,
        live: &LiveRoute,
        retired: &Retired,
        zero_weight_reachable: bool,
    ) -> ServiceSnapshot {
        // Before the counters are read: see `Retired`.
        let readers = retired.readers();
        let versions = live.route().split().versions().iter().enumerate();
        let published = versions
            .map(|(i, version)| {
                let counters = live.used_versions().get(i).map(|live| Arc::clone(live.counters()));
                let uncounted = readers + retired.in_flight(version.name.as_str()).unwrap_or(0);
                let is_reachable = is_reachable(version, zero_weight_reachable);
                VersionSnapshot::new(counters, uncounted).with_reachable(is_reachable)
            })
            .collect();
        let left = retired.versions().iter().map(|left| {
            (left.version.clone(), VersionSnapshot::new(Some(Arc::clone(&left.counters)), readers))
        });
        ServiceSnapshot {
            route: Arc::clone(live.route()),
            unserved: self.unserved.load(Ordering::Relaxed),
            published,
            retired: left.collect(),
        }
    }

    /// Returns the versions at weight 0 that may get requests or have some in flight, and, where the route `is_outdated`,
    /// the versions that serve.
    pub(super) fn draining(&self, zero_weight_reachable: bool, is_outdated: bool) -> Vec<VersionName> {
        // One observation: the counters move between the live route and the retired ones when the service returns.
        self.observe(|live, retired| {
            let Some(live) = live else { return retired.draining() };
            let snapshot = self.snapshot_of(live, retired, zero_weight_reachable);
            let draining = snapshot.versions().filter(|(version, counted)| match version.weight.is_zero() {
                true => counted.in_flight() > 0 || counted.is_reachable(),
                false => is_outdated,
            });
            draining.map(|(version, _)| version.name.clone()).collect()
        })
    }

    /// Returns the counters of the published versions, or nothing before the first request.
    pub(super) fn used_counters(&self) -> Vec<Arc<Counters>> {
        self.observe(|live, _| {
            let versions = live.map_or(&[][..], LiveRoute::used_versions);
            versions.iter().map(|version| Arc::clone(version.counters())).collect()
        })
    }
}

/// Returns whether requests may be given `version`: by weight, or at weight 0 by a rule that may choose active versions.
const fn is_reachable(version: &Version, zero_weight_reachable: bool) -> bool {
    !version.weight.is_zero() || (zero_weight_reachable && version.active)
}

fn in_flight(live: Option<&LiveRoute>, retired: &Retired, name: &str) -> Option<usize> {
    // Before the counters are read: see `Retired`.
    let readers = retired.readers();
    let published = live.and_then(|live| live.counters_by_name(name));
    let left = retired.in_flight(name);
    match published {
        Some(counters) => Some(readers + counters.in_flight() + left.unwrap_or(0)),
        None => Some(readers + left?).filter(|in_flight| *in_flight > 0),
    }
}

impl Loaded<'_> {
    /// Returns the route, or counts a request for an unknown service if none is published.
    #[inline]
    pub(crate) fn snapshot(&self) -> Option<RouteSnapshot<'_>> {
        let Some(live) = self.live.as_deref() else {
            self.entry.count_unknown();
            return None;
        };
        Some(RouteSnapshot { entry: self.entry, live, shard: Shard::current() })
    }
}

impl<'a> RouteSnapshot<'a> {
    #[inline]
    pub(crate) fn split(&self) -> &'a Split {
        self.live.route().split()
    }

    /// Draws the version by weight alone.
    #[inline]
    pub(crate) fn draw(&self) -> Pick {
        let point = self.entry.points.next(self.shard);
        Pick { version: self.live.route().index_at(point), reason: Reason::Draw }
    }

    /// Picks the version that holds `slot`, the slot of the request's key.
    #[inline]
    pub(crate) fn by_slot(&self, slot: Point) -> Pick {
        Pick { version: self.live.route().index_of_slot(slot), reason: Reason::Key }
    }

    /// Returns the point for an attempt after the first.
    ///
    /// The points come from a sequence of their own: taken from the draw, they would make the other requests less even.
    #[cold]
    pub(crate) fn failover_point(&self) -> Point {
        let versions = self.live.versions().iter();
        let failovers = versions.map(|version| version.counters().picks(Reason::Failover)).sum();
        Point::nth(self.split().salt(), failovers)
    }

    /// Counts the request in flight at the picked version, or as unserved if no version was picked.
    #[inline]
    pub(crate) fn choose(&self, pick: Pick) -> Result<Choice<'a>, NoChoice> {
        let picked = pick.version.and_then(|i| Some((i, self.live.versions().get(i)?)));
        let Some((i, version)) = picked else { return Err(self.entry.count_unserved()) };
        Ok(Choice {
            split: self.split(),
            version: i,
            upstream: version.pick(self.shard),
            reason: pick.reason,
            in_flight: version.counters().enter(self.shard, pick.reason),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::SystemTime;

    use super::*;
    use crate::routing::Change;

    /// One version at 100 and one at 0.
    fn two_versions() -> Split {
        let at = SystemTime::UNIX_EPOCH;
        let register = |name: &str| Change::register(name.parse().unwrap(), "http://h".parse().unwrap());
        let split = Split::new("auth".parse().unwrap(), 7).apply(&register("v0"), at).unwrap();
        split.apply(&register("v1"), at).unwrap()
    }

    #[test]
    fn only_readers_hold_a_retired_route() {
        let split = two_versions();
        let entry = ServiceEntry::new(Draw::Exact, split.service());
        let publish = || entry.publish(&Arc::new(Route::compile(split.clone())));
        publish();
        for _ in 0..3 {
            let readers = [entry.live.load(), entry.live.load()];
            entry.withdraw();
            assert_eq!(entry.retired().references(), [2]);
            publish();
            let later = entry.live.load();
            publish();
            assert_eq!(entry.retired().references(), [2, 1]);
            drop((readers, later));
            assert_eq!(entry.retired().references(), [0; 0]);
            entry.withdraw();
            assert_eq!(entry.retired().references(), [0; 0]);
            publish();
        }
    }

    #[test]
    fn withdrawn_service_that_returns_forgets_drained_versions() {
        let entry = ServiceEntry::new(Draw::Exact, two_versions().service());
        let at = SystemTime::UNIX_EPOCH;
        for salt in 0..100 {
            let register = Change::register("v0".parse().unwrap(), "http://h".parse().unwrap());
            let split = Split::new("auth".parse().unwrap(), salt).apply(&register, at).unwrap();
            entry.publish(&Arc::new(Route::compile(split)));
            let first = Pick { version: Some(0), reason: Reason::Draw };
            drop(entry.load().snapshot().unwrap().choose(first).unwrap());
            entry.withdraw();
        }
        // The last ones, and the version of the route that was withdrawn last.
        assert!(entry.retired().versions().len() <= 9, "{} versions", entry.retired().versions().len());
    }

    #[test]
    fn draining_sees_a_request_while_its_service_returns() {
        let split = two_versions();
        let entry = ServiceEntry::new(Draw::Exact, split.service());
        let route = Arc::new(Route::compile(split));
        entry.publish(&route);
        let zero = Pick { version: Some(1), reason: Reason::Draw };
        let in_flight = entry.load().snapshot().unwrap().choose(zero).unwrap().in_flight;
        let done = AtomicBool::new(false);
        // Miri runs some thousand times slower.
        let rounds = if cfg!(miri) { 30 } else { 100_000 };
        let observe = || {
            while !done.load(Ordering::Relaxed) {
                assert_eq!(entry.draining(false, false).len(), 1);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..rounds {
                    entry.withdraw();
                    entry.publish(&route);
                }
                done.store(true, Ordering::Relaxed);
            });
            scope.spawn(observe);
            scope.spawn(observe);
            observe();
        });
        drop(in_flight);
    }

    #[test]
    fn a_late_reader_counts_at_the_retired_version() {
        let split = two_versions();
        let entry = ServiceEntry::new(Draw::Exact, split.service());
        entry.publish(&Arc::new(Route::compile(split)));
        let reader = entry.load();
        entry.withdraw();
        assert_eq!((entry.in_flight("v0"), entry.in_flight("v1")), (Some(1), Some(1)));
        let first = Pick { version: Some(0), reason: Reason::Draw };
        let in_flight = reader.snapshot().unwrap().choose(first).unwrap().in_flight;
        drop(reader);
        assert_eq!((entry.in_flight("v0"), entry.in_flight("v1")), (Some(1), None));
        assert_eq!(entry.draining(false, false).len(), 1);
        drop(in_flight);
        assert_eq!(entry.in_flight("v0"), None);
    }
}
