//! Where routes are published, and where layers read them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use foldhash::fast::RandomState;
use http::HeaderValue;
use http::uri::{Authority, Scheme};

use crate::routing::{
    Backend, Draw, Point, Points, Reason, Route, RoutingTable, ServiceName, Split, Version,
};
use crate::sharded::{Shard, Sharded};
use crate::traffic::{InFlightGuard, Tally};

/// The routes that requests follow right now: published by one side, read by the layer without a lock.
///
/// Clones share the routes. Each request reads the route of its service once, so it sees one split whole. A
/// published route is followed by every request that starts after [`publish`](Self::publish) returned.
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
#[derive(Clone, Debug, Default)]
pub struct RoutingHandle {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    draw: Draw,
    cells: ArcSwap<Cells>,
    /// Held by whoever publishes; requests never wait for it.
    publishing: Mutex<()>,
}

pub(crate) type Cells = HashMap<ServiceName, Arc<Cell>, RandomState>;

/// The place of one service: its route comes and goes, its draw goes on.
#[derive(Debug)]
pub(crate) struct Cell {
    live: ArcSwapOption<LiveRoute>,
    /// Routes that were replaced and may still be read by requests about to be counted.
    retired: Mutex<Vec<Weak<LiveRoute>>>,
    points: Points,
}

/// A route with what requests use up while they follow it.
#[derive(Debug)]
struct LiveRoute {
    route: Arc<Route>,
    /// Made for the first request: of many services, most are idle.
    lanes: OnceLock<Box<[Lanes]>>,
}

/// A version as requests see it.
#[derive(Debug)]
struct Lanes {
    upstreams: Sharded<Upstream>,
    tally: Arc<Tally>,
}

/// Where to send a request. Its counted parts are copied per shard, since two threads that clone one authority
/// fight for its count: with two threads that alone was as dear as all the rest.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    pub(crate) host: HeaderValue,
    pub(crate) base_path: Arc<str>,
}

/// What a request was given: held by reference to the route, used up before the request is sent.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) split: &'a Split,
    /// By its position in the split.
    pub(crate) version: usize,
    pub(crate) upstream: &'a Upstream,
    pub(crate) reason: Reason,
    pub(crate) in_flight: InFlightGuard,
}

/// The point that the next draw of a service gives, should a rule leave it to that.
#[derive(Debug)]
pub(crate) struct NextDraw<'a> {
    cell: &'a Cell,
    live: &'a LiveRoute,
    shard: Shard,
}

/// Why a request was given no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoChoice {
    UnknownService,
    NoActiveVersion,
}

impl RoutingHandle {
    /// No routes yet, and the exact draw.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No routes yet, and `draw`.
    #[must_use]
    pub fn with_draw(draw: Draw) -> Self {
        Self { shared: Arc::new(Shared { draw, ..Shared::default() }) }
    }

    /// The route that requests of the service called `name` follow now.
    #[must_use]
    pub fn route(&self, name: &str) -> Option<Arc<Route>> {
        self.find(name)?.live.load().as_ref().map(|live| Arc::clone(&live.route))
    }

    /// All routes that requests follow now.
    #[must_use]
    pub fn table(&self) -> RoutingTable {
        let route = |cell: &Arc<Cell>| cell.live.load().as_ref().map(|live| Arc::clone(&live.route));
        self.shared.cells.load().values().filter_map(route).collect()
    }

    /// Publishes `route`, unless a later generation is published already: then it answers `false` and keeps that.
    ///
    /// A service that was removed and registered anew starts over: its salt tells it from the one before.
    #[must_use = "false: a later generation stays published"]
    pub fn publish(&self, route: impl Into<Arc<Route>>) -> bool {
        let route = route.into();
        let _one_at_a_time = self.shared.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = self.cell_locked(route.service());
        let later = |live: &Arc<LiveRoute>| is_later(live.route.split(), route.split());
        if cell.live.load().as_ref().is_some_and(later) {
            return false;
        }
        cell.publish(route);
        true
    }

    /// Publishes `table` whatever was published before. Services that it lacks become unknown, and those whose split is
    /// published already are left alone.
    pub fn replace(&self, table: &RoutingTable) {
        let _one_at_a_time = self.shared.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cells = Cells::clone(&self.shared.cells.load());
        for (name, cell) in &cells {
            if table.get(name.as_str()).is_none() {
                cell.live.store(None);
            }
        }
        for route in table.iter() {
            let new = || Arc::new(Cell::new(self.shared.draw, route.service()));
            let cell = cells.entry(route.service().clone()).or_insert_with(new);
            if cell.live.load().as_ref().is_none_or(|live| live.route.split() != route.split()) {
                cell.publish(Arc::clone(route));
            }
        }
        self.shared.cells.store(Arc::new(cells));
    }

    /// How many requests the version has in flight through layers of this handle, from the choice of the version
    /// until the response's body has ended. `None` when the version is not published.
    ///
    /// Once a version's weight is 0 and this is 0, no request of this handle is left at its backend, which may be
    /// stopped as soon as the same holds for every gateway that follows the store. Another gateway has followed a
    /// change once the revision of its [freshness](crate::Deployments::freshness) has reached that of the change.
    /// A protocol upgrade counts until its [`Tunnel`](crate::layer::Tunnel) is dropped; after
    /// [`SetUrl`](crate::routing::Change::SetUrl) the count is that of both URLs.
    ///
    /// ```
    /// # use tower_canary::routing::{Change, Route, Split};
    /// # use tower_canary::RoutingHandle;
    /// # let handle = RoutingHandle::new();
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
    /// # assert!(handle.publish(Route::compile(split)));
    /// assert_eq!(handle.in_flight("auth", "v1.0"), Some(0));
    /// assert_eq!(handle.in_flight("auth", "v9"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn in_flight(&self, service: &str, version: &str) -> Option<usize> {
        let cell = self.find(service)?;
        // First those about to be counted: once they are gone, they are in the count.
        let choosing = cell.choosing();
        cell.tally(version).map(|tally| choosing + tally.in_flight())
    }

    /// How many requests the version was given for `reason` through layers of this handle, since it was published first.
    /// `None` when the version is not published.
    ///
    /// ```
    /// # use tower_canary::routing::{Change, Reason, Route, Split};
    /// # use tower_canary::RoutingHandle;
    /// # let handle = RoutingHandle::new();
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
    /// # assert!(handle.publish(Route::compile(split)));
    /// let without_a_key = handle.picks("auth", "v1.0", Reason::Draw);
    /// assert_eq!(without_a_key, Some(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn picks(&self, service: &str, version: &str, reason: Reason) -> Option<u64> {
        self.find(service)?.tally(version).map(|tally| tally.picks(reason))
    }

    /// The place of the service called `name`, if it was ever published or asked for by [`Self::cell`].
    fn find(&self, name: &str) -> Option<Arc<Cell>> {
        self.shared.cells.load().get(name).cloned()
    }

    /// The places of all services, to be held only while one is looked up and used.
    pub(crate) fn cells(&self) -> Guard<Arc<Cells>> {
        self.shared.cells.load()
    }

    /// The place of one service, made if need be: for a layer that serves no other.
    pub(crate) fn cell(&self, service: &ServiceName) -> Arc<Cell> {
        let _one_at_a_time = self.shared.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        self.cell_locked(service)
    }

    fn cell_locked(&self, service: &ServiceName) -> Arc<Cell> {
        if let Some(cell) = self.find(service.as_str()) {
            return cell;
        }
        let cell = Arc::new(Cell::new(self.shared.draw, service));
        let mut cells = Cells::clone(&self.shared.cells.load());
        cells.insert(service.clone(), Arc::clone(&cell));
        self.shared.cells.store(Arc::new(cells));
        cell
    }
}

fn is_later(served: &Split, new: &Split) -> bool {
    served.salt() == new.salt() && served.generation() > new.generation()
}

impl Cell {
    fn new(draw: Draw, service: &ServiceName) -> Self {
        Self { live: ArcSwapOption::empty(), retired: Mutex::default(), points: Points::new(draw, service) }
    }

    fn publish(&self, route: Arc<Route>) {
        let before = self.live.load_full();
        self.live.store(Some(Arc::new(LiveRoute::new(route, before.as_deref()))));
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.retain(|route| route.strong_count() > 0);
        retired.extend(before.as_ref().map(Arc::downgrade));
    }

    /// How many requests have read a route that was replaced and are not counted yet.
    fn choosing(&self) -> usize {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).iter().map(Weak::strong_count).sum()
    }

    /// The tally of the version called `name`, if it is published.
    fn tally(&self, name: &str) -> Option<Arc<Tally>> {
        let live = self.live.load();
        let live = live.as_ref()?;
        let i = live.route.split().versions().iter().position(|v| v.name.as_str() == name)?;
        live.lanes().get(i).map(|lane| Arc::clone(&lane.tally))
    }

    /// Gives the version that `pick` says, by its position in the split, for `request` to `choose`. The route is held only
    /// while it runs.
    #[inline]
    pub(crate) fn choose<R, T>(
        &self,
        request: &mut R,
        pick: impl FnOnce(&R, &Route, NextDraw<'_>) -> (Option<usize>, Reason),
        choose: impl FnOnce(&mut R, Result<Choice<'_>, NoChoice>) -> T,
    ) -> T {
        let live = self.live.load();
        let Some(live) = live.as_ref() else { return choose(request, Err(NoChoice::UnknownService)) };
        let shard = Shard::current();
        let (version, reason) = pick(request, &live.route, NextDraw { cell: self, live, shard });
        let chosen = version.and_then(|i| live.choice(i, shard, reason));
        choose(request, chosen.ok_or(NoChoice::NoActiveVersion))
    }
}

impl NextDraw<'_> {
    #[inline]
    pub(crate) fn point(self) -> Point {
        self.cell.points.next(self.shard)
    }

    /// A point for an attempt after the first. It takes none from the others, whose evenness would suffer.
    #[cold]
    pub(crate) fn apart(self) -> Point {
        let failovers = self.live.lanes().iter().map(|lane| lane.tally.picks(Reason::Failover)).sum();
        Point::nth(self.live.route.split().salt(), failovers)
    }
}

impl LiveRoute {
    /// Counts of versions that `before` had go on, also those that it is yet to make.
    fn new(route: Arc<Route>, before: Option<&Self>) -> Self {
        let lanes =
            before.map_or_else(OnceLock::new, |before| lanes(&route, |version| before.tally(version)).into());
        Self { route, lanes }
    }

    #[inline]
    fn lanes(&self) -> &[Lanes] {
        self.lanes.get_or_init(|| lanes(&self.route, |_| None))
    }

    fn tally(&self, version: &Version) -> Option<Arc<Tally>> {
        let i = self.route.split().versions().iter().position(|v| v.id == version.id)?;
        self.lanes().get(i).map(|lane| Arc::clone(&lane.tally))
    }

    #[inline]
    fn choice(&self, i: usize, shard: Shard, reason: Reason) -> Option<Choice<'_>> {
        let lane = self.lanes().get(i)?;
        let (upstream, in_flight) = (lane.upstreams.at(shard), lane.tally.enter(shard, reason));
        Some(Choice { split: self.route.split(), version: i, upstream, reason, in_flight })
    }
}

/// Those of the versions of `route`, with the tallies that were `kept`.
fn lanes(route: &Route, kept: impl Fn(&Version) -> Option<Arc<Tally>>) -> Box<[Lanes]> {
    let lanes = route.split().versions().iter().map(|version| Lanes {
        upstreams: Sharded::new(|shard, _| Upstream::new(&version.backend, shard)),
        tally: kept(version).unwrap_or_else(|| Arc::new(Tally::new())),
    });
    lanes.collect()
}

impl Upstream {
    pub(crate) fn new(backend: &Backend, shard: usize) -> Self {
        let (mut authority, mut host) = (backend.authority().clone(), backend.host_header().clone());
        if shard > 0 {
            authority = authority.as_str().parse().unwrap_or(authority);
            host = HeaderValue::from_bytes(host.as_bytes()).unwrap_or(host);
        }
        Self { scheme: backend.scheme().clone(), authority, host, base_path: backend.shared_base_path() }
    }
}
