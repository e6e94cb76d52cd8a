//! The place of one service, where requests read its route.

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use http::uri::{Authority, Scheme};

use crate::common::lock::lock;
use crate::common::sharded::{Shard, Sharded};
use crate::routing::{
    Backend, Draw, Point, Points, Reason, Route, ServiceName, Split, Version, VersionName, Weight,
};
use crate::traffic::{Counted, Flight, Seen, Tally, is_reachable};

/// How many versions are kept that were removed and are drained.
const LAST_REMOVED: usize = 8;

/// The place of one service: its route comes and goes, its draw goes on.
#[derive(Debug)]
pub(crate) struct Cell {
    live: ArcSwapOption<LiveRoute>,
    /// Held while a route is published; requests never wait for it.
    past: Mutex<Past>,
    points: Points,
    /// Requests that came while no version was active.
    unserved: AtomicU64,
    /// Requests that came while nothing was published.
    unknown: AtomicU64,
}

/// What is left of routes that were replaced.
#[derive(Debug, Default)]
struct Past {
    /// Those that may still be read by requests about to be counted.
    retired: Vec<Weak<LiveRoute>>,
    /// Versions that were removed, out of service whatever they were before: while they may have requests, and the last ones
    /// until their counts were read.
    removed: Vec<(Version, Arc<Tally>)>,
    /// The route that was taken away: its counts go on where it comes back.
    unpublished: Option<Arc<LiveRoute>>,
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
    pub(crate) flight: Flight,
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

impl Cell {
    pub(super) fn new(draw: Draw, service: &ServiceName) -> Self {
        Self {
            live: ArcSwapOption::empty(),
            past: Mutex::default(),
            points: Points::new(draw, service),
            unserved: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        }
    }

    /// The route that requests follow now.
    pub(super) fn route(&self) -> Option<Arc<Route>> {
        self.live.load().as_ref().map(|live| Arc::clone(&live.route))
    }

    pub(super) fn unpublish(&self) {
        let mut past = self.past();
        if let Some(before) = self.live.load_full() {
            past.retired.push(Arc::downgrade(&before));
            self.live.store(None);
            past.unpublished = Some(before);
        }
    }

    pub(super) fn publish(&self, route: Arc<Route>) {
        let mut past = self.past();
        let before = self.live.load_full().or_else(|| past.unpublished.take());
        let next = Arc::new(LiveRoute::new(route, before.as_deref()));
        if let Some(before) = &before {
            past.remember(before, &next);
        }
        // Last, so that nobody sees the new route before whoever follows the one before is known.
        self.live.store(Some(next));
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        lock(&self.past)
    }

    /// How many requests the version called `name` has, if it is published or has any.
    pub(super) fn in_flight(&self, name: &str) -> Option<usize> {
        let tally = self.tally(name);
        let past = self.past();
        let in_flight =
            past.choosing() + tally.as_ref().map_or(0, |tally| tally.in_flight()) + past.left_of(name);
        let removed = || past.removed.iter().any(|(version, _)| version.name.as_str() == name);
        (tally.is_some() || (in_flight > 0 && removed())).then_some(in_flight)
    }

    /// Whether the version called `name` gets no more requests and has none; `None` where there is none of that name.
    pub(super) fn is_drained(&self, name: &str, kept: bool) -> Option<bool> {
        // First whether requests may begin, then whether any have.
        let route = self.route();
        let version = route.as_ref().and_then(|route| route.split().version(name));
        let reachable = version.is_some_and(|version| is_reachable(version, kept));
        Some(self.in_flight(name)? == 0 && !reachable)
    }

    /// How many requests came while nothing was published.
    pub(super) fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }

    /// The tally of the version called `name`, if it is published.
    pub(super) fn tally(&self, name: &str) -> Option<Arc<Tally>> {
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
        let Some(live) = live.as_ref() else {
            self.unknown.fetch_add(1, Ordering::Relaxed);
            return choose(request, Err(NoChoice::UnknownService));
        };
        let shard = Shard::current();
        let (version, reason) = pick(request, &live.route, NextDraw { cell: self, live, shard });
        let chosen = version.and_then(|i| live.choice(i, shard, reason));
        choose(request, chosen.ok_or_else(|| self.unserved()))
    }

    #[cold]
    fn unserved(&self) -> NoChoice {
        self.unserved.fetch_add(1, Ordering::Relaxed);
        NoChoice::NoActiveVersion
    }

    /// What is known of the service; `None` where nothing is published.
    pub(super) fn seen(&self) -> Option<Seen> {
        // First the route, so that whoever follows the one before is among those about to be counted, and then them.
        let live = self.live.load_full()?;
        let past = self.past();
        let choosing = past.choosing();
        let (split, lanes) = (live.route.split(), live.lanes.get());
        let counted = split.versions().iter().enumerate().map(|(i, version)| {
            let tally = lanes.and_then(|lanes| lanes.get(i)).map(|lane| Arc::clone(&lane.tally));
            Counted::new(tally, choosing + past.left_of(version.name.as_str()))
        });
        let counted = counted.collect();
        let told =
            |(v, tally): &(Version, Arc<Tally>)| (v.clone(), Counted::new(Some(Arc::clone(tally)), choosing));
        let removed = past.removed.iter().map(told).collect();
        let unserved = self.unserved.load(Ordering::Relaxed);
        Some(Seen { route: Arc::clone(&live.route), unserved, counted, removed })
    }

    /// The versions at weight 0 that may get requests or have some; and those that serve, where the route `is_outdated`.
    pub(super) fn draining(&self, kept: bool, is_outdated: bool) -> Vec<VersionName> {
        let Some(seen) = self.seen() else { return Vec::new() };
        let held = seen.versions().filter(|(version, counted)| match version.weight.is_zero() {
            true => counted.in_flight() > 0 || is_reachable(version, kept),
            false => is_outdated,
        });
        held.map(|(version, _)| version.name.clone()).collect()
    }

    /// The tallies of the versions that had a request.
    pub(super) fn tallies(&self) -> Vec<Arc<Tally>> {
        let live = self.live.load();
        let lanes = live.as_ref().and_then(|live| live.lanes.get());
        lanes.into_iter().flatten().map(|lane| Arc::clone(&lane.tally)).collect()
    }
}

impl Past {
    /// Notes that `next` takes the place of `before`.
    fn remember(&mut self, before: &Arc<LiveRoute>, next: &LiveRoute) {
        self.retired.retain(|route| route.strong_count() > 0);
        if self.retired.is_empty() {
            let drained = |(_, tally): &&(Version, Arc<Tally>)| tally.in_flight() == 0;
            let mut surplus = self.removed.iter().filter(drained).count().saturating_sub(LAST_REMOVED);
            self.removed.retain(|version| {
                let forget = surplus > 0 && drained(&version);
                surplus -= usize::from(forget);
                !forget
            });
        }
        self.retired.push(Arc::downgrade(before));
        let lanes = before.lanes.get().into_iter().flatten();
        for (version, lane) in before.route.split().versions().iter().zip(lanes) {
            if next.tally(version).is_none() {
                let version = Version { weight: Weight::ZERO, active: false, ..version.clone() };
                self.removed.push((version, Arc::clone(&lane.tally)));
            }
        }
    }

    /// How many requests have read a route that was replaced and are not counted yet. Those that are not any more are
    /// in the counts that are read after this.
    fn choosing(&self) -> usize {
        let choosing = self.retired.iter().map(Weak::strong_count).sum();
        fence(Ordering::Acquire);
        choosing
    }

    /// How many requests versions have that were called `name` and removed.
    fn left_of(&self, name: &str) -> usize {
        let called = self.removed.iter().filter(|(removed, _)| removed.name.as_str() == name);
        called.map(|(_, tally)| tally.in_flight()).sum()
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
        // A store that went back may give the same identity again.
        let same = |v: &Version| v.id == version.id && v.name == version.name;
        let i = self.route.split().versions().iter().position(same)?;
        self.lanes().get(i).map(|lane| Arc::clone(&lane.tally))
    }

    #[inline]
    fn choice(&self, i: usize, shard: Shard, reason: Reason) -> Option<Choice<'_>> {
        let lane = self.lanes().get(i)?;
        let (upstream, flight) = (lane.upstreams.at(shard), lane.tally.enter(shard, reason));
        Some(Choice { split: self.route.split(), version: i, upstream, reason, flight })
    }
}

/// Those of the versions of `route`, with the tallies that were `kept`.
fn lanes(route: &Route, kept: impl Fn(&Version) -> Option<Arc<Tally>>) -> Box<[Lanes]> {
    let lanes = route.split().versions().iter().map(|version| Lanes {
        upstreams: Sharded::new(|shard, _| Upstream::new(version.backend(), shard)),
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
