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

/// Routes that were replaced or withdrawn, and the versions that left with them.
///
/// Only requests hold a retired route: the observers below hold the live route under the lock, and no route retires while
/// the lock is held. So the number of references to a retired route is the number of requests that read it.
#[derive(Debug, Default)]
struct Past {
    /// Routes that requests may still read. Such a request is not counted at a version yet.
    retired: Vec<Weak<LiveRoute>>,
    /// Versions that are in no published route, as inactive ones: while they may have requests, and the last ones until
    /// their counts were read. Of a withdrawn route all are here, so that it can return with its counts.
    removed: Vec<(Version, Arc<Tally>)>,
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
        let _past = self.past();
        self.live.load().as_ref().map(|live| Arc::clone(&live.route))
    }

    pub(super) fn unpublish(&self) {
        let mut past = self.past();
        if let Some(before) = self.live.swap(None) {
            past.retire(before, None);
        }
    }

    pub(super) fn publish(&self, route: Arc<Route>) {
        let mut past = self.past();
        let next = {
            let live = self.live.load();
            let new =
                |lanes: OnceLock<Box<[Lanes]>>| Arc::new(LiveRoute { route: Arc::clone(&route), lanes });
            match live.as_deref() {
                None if past.removed.is_empty() => new(OnceLock::new()),
                live => new(lanes(&route, |version| {
                    live.and_then(|live| live.tally(version)).or_else(|| past.take(version))
                })
                .into()),
            }
        };
        if let Some(before) = self.live.swap(Some(next)) {
            past.retire(before, Some(route.split()));
        }
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        lock(&self.past)
    }

    /// How many requests the version called `name` has, if it is published or has any.
    pub(super) fn in_flight(&self, name: &str) -> Option<usize> {
        self.in_flight_of(&self.past(), name)
    }

    fn in_flight_of(&self, past: &Past, name: &str) -> Option<usize> {
        let choosing = past.choosing();
        let published = self.live_tally(name);
        let removed = past.left_of(name);
        match (published, removed) {
            (Some(tally), removed) => Some(choosing + tally.in_flight() + removed.unwrap_or(0)),
            (None, removed) => removed.map(|removed| choosing + removed).filter(|in_flight| *in_flight > 0),
        }
    }

    /// Whether the version called `name` gets no more requests and has none; `None` where there is none of that name.
    pub(super) fn is_drained(&self, name: &str, kept: bool) -> Option<bool> {
        let past = self.past();
        let in_flight = self.in_flight_of(&past, name)?;
        let live = self.live.load();
        let version = live.as_ref().and_then(|live| live.route.split().version(name));
        let reachable = version.is_some_and(|version| is_reachable(version, kept));
        Some(in_flight == 0 && !reachable)
    }

    /// How many requests came while nothing was published.
    pub(super) fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }

    /// The tally of the version called `name`, if it is published.
    pub(super) fn tally(&self, name: &str) -> Option<Arc<Tally>> {
        let _past = self.past();
        self.live_tally(name)
    }

    /// The same, for a caller that holds the lock.
    fn live_tally(&self, name: &str) -> Option<Arc<Tally>> {
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
        let past = self.past();
        let live = self.live.load();
        let live = live.as_ref()?;
        let choosing = past.choosing();
        let (split, lanes) = (live.route.split(), live.lanes.get());
        let counted = split.versions().iter().enumerate().map(|(i, version)| {
            let tally = lanes.and_then(|lanes| lanes.get(i)).map(|lane| Arc::clone(&lane.tally));
            Counted::new(tally, choosing + past.left_of(version.name.as_str()).unwrap_or(0))
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
        let Some(seen) = self.seen() else { return self.past().draining() };
        let held = seen.versions().filter(|(version, counted)| match version.weight.is_zero() {
            true => counted.in_flight() > 0 || is_reachable(version, kept),
            false => is_outdated,
        });
        held.map(|(version, _)| version.name.clone()).collect()
    }

    /// The tallies of the versions that had a request.
    pub(super) fn tallies(&self) -> Vec<Arc<Tally>> {
        let _past = self.past();
        let live = self.live.load();
        let lanes = live.as_ref().and_then(|live| live.lanes.get());
        lanes.into_iter().flatten().map(|lane| Arc::clone(&lane.tally)).collect()
    }
}

impl Past {
    /// Takes over what `before` counts of versions that are not in `next`.
    fn retire(&mut self, before: Arc<LiveRoute>, next: Option<&Split>) {
        self.retired.retain(|route| route.strong_count() > 0);
        if next.is_some() && self.retired.is_empty() {
            self.forget_drained();
        }
        let has_readers = Arc::strong_count(&before) > 1;
        fence(Ordering::Acquire);
        if has_readers {
            self.retired.push(Arc::downgrade(&before));
            // One that is yet to make its choice counts where this looks.
            before.lanes();
        }
        let lanes = before.lanes.get().into_iter().flatten();
        for (version, lane) in before.route.split().versions().iter().zip(lanes) {
            if next.is_none_or(|next| !next.versions().iter().any(|other| is_same(other, version))) {
                let version = Version { weight: Weight::ZERO, active: false, ..version.clone() };
                self.removed.push((version, Arc::clone(&lane.tally)));
            }
        }
    }

    /// Forgets drained versions but for the last ones.
    fn forget_drained(&mut self) {
        let drained = |(_, tally): &&(Version, Arc<Tally>)| tally.in_flight() == 0;
        let mut surplus = self.removed.iter().filter(drained).count().saturating_sub(LAST_REMOVED);
        self.removed.retain(|version| {
            let forget = surplus > 0 && drained(&version);
            surplus -= usize::from(forget);
            !forget
        });
    }

    /// Gives back the counts of a version that returns.
    fn take(&mut self, version: &Version) -> Option<Arc<Tally>> {
        let at = self.removed.iter().position(|(removed, _)| is_same(removed, version))?;
        Some(self.removed.remove(at).1)
    }

    /// The versions that have requests, where none is published.
    fn draining(&self) -> Vec<VersionName> {
        let choosing = self.choosing();
        let held = self.removed.iter().filter(|(_, tally)| choosing + tally.in_flight() > 0);
        held.map(|(version, _)| version.name.clone()).collect()
    }

    /// How many requests have read a route that was replaced and are not counted yet. Those that are not any more are
    /// in the counts that are read after this.
    fn choosing(&self) -> usize {
        let choosing = self.retired.iter().map(Weak::strong_count).sum();
        fence(Ordering::Acquire);
        choosing
    }

    /// How many requests the removed versions called `name` have; `None` where there is no such version.
    fn left_of(&self, name: &str) -> Option<usize> {
        let called = self.removed.iter().filter(|(removed, _)| removed.name.as_str() == name);
        called.map(|(_, tally)| tally.in_flight()).reduce(|sum, more| sum + more)
    }
}

/// Whether both are one registration. A store that went back may give an identity again, so the name counts as well.
fn is_same(a: &Version, b: &Version) -> bool {
    a.id == b.id && a.name == b.name
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
    #[inline]
    fn lanes(&self) -> &[Lanes] {
        self.lanes.get_or_init(|| lanes(&self.route, |_| None))
    }

    fn tally(&self, version: &Version) -> Option<Arc<Tally>> {
        let i = self.route.split().versions().iter().position(|other| is_same(other, version))?;
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
fn lanes(route: &Route, mut kept: impl FnMut(&Version) -> Option<Arc<Tally>>) -> Box<[Lanes]> {
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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::routing::Change;

    /// One version at 100 and one at 0.
    fn two_versions() -> Split {
        let register = |name: &str| Change::register(name.parse().unwrap(), "http://h".parse().unwrap());
        let split =
            Split::new("auth".parse().unwrap(), 7).apply(&register("v0"), SystemTime::UNIX_EPOCH).unwrap();
        split.apply(&register("v1"), SystemTime::UNIX_EPOCH).unwrap()
    }

    fn references(cell: &Cell) -> Vec<usize> {
        cell.past().retired.iter().map(Weak::strong_count).filter(|count| *count > 0).collect()
    }

    #[test]
    fn only_readers_hold_a_retired_route() {
        let split = two_versions();
        let cell = Cell::new(Draw::Exact, split.service());
        let publish = || cell.publish(Arc::new(Route::compile(split.clone())));
        publish();
        for _ in 0..3 {
            let readers = [cell.live.load(), cell.live.load()];
            cell.unpublish();
            assert_eq!(references(&cell), [2]);
            publish();
            let later = cell.live.load();
            publish();
            assert_eq!(references(&cell), [2, 1]);
            drop((readers, later));
            assert_eq!(references(&cell), [0; 0]);
            cell.unpublish();
            assert_eq!(references(&cell), [0; 0]);
            publish();
        }
    }

    #[test]
    fn a_late_reader_counts_at_the_retired_version() {
        let split = two_versions();
        let cell = Cell::new(Draw::Exact, split.service());
        cell.publish(Arc::new(Route::compile(split)));
        let reader = cell.live.load();
        cell.unpublish();
        assert_eq!((cell.in_flight("v0"), cell.in_flight("v1")), (Some(1), Some(1)));
        let choice = reader.as_ref().unwrap().choice(0, Shard::current(), Reason::Draw).unwrap();
        let flight = choice.flight;
        drop(reader);
        assert_eq!((cell.in_flight("v0"), cell.in_flight("v1")), (Some(1), None));
        assert_eq!(cell.draining(false, false).len(), 1);
        drop(flight);
        assert_eq!(cell.in_flight("v0"), None);
    }
}
