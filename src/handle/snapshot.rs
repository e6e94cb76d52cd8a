//! One published route, for the rules of one request.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::Guard;

use super::entry::ServiceEntry;
use super::live::{LiveRoute, LiveVersion};
use super::seat::Seat;
use super::upstream::Upstream;
use crate::balance::pick_by_weight;
use crate::common::sharded::Shard;
use crate::routing::{Backend, Point, Reason, Split, Version};
use crate::traffic::InFlight;

/// The version and the instance that a request was given. It borrows from the route, so the request must
/// [enter](Self::enter) before the route is dropped.
// A few pointers, which stay in registers: the request in flight is not among them. For the same reason the functions on the
// path of a request are always inlined: each result that goes through memory costs more instructions than the choice.
/// The version and the instance for one request, before it is counted there.
#[derive(Clone, Copy, Debug)]
#[must_use = "a request counts only once it entered"]
pub(crate) struct Choice<'a> {
    pub(crate) split: &'a Split,
    /// The position of the version in the split.
    pub(crate) version: usize,
    /// The position of the instance in the version.
    pub(crate) instance: usize,
    pub(super) seat: &'a Seat,
    pub(crate) reason: Reason,
    pub(super) shard: Shard,
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
    pub(super) live: &'a LiveRoute,
    pub(super) shard: Shard,
}

/// What a rule decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick {
    /// The position of the version in the split, or `None` if the point or slot belongs to no version.
    version: Option<usize>,
    reason: Reason,
    /// The instances not to be used, as bits, unless there is no other.
    avoided: u64,
}

/// Why a request was given no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoChoice {
    UnknownService,
    NoActiveVersion,
    /// No instance of the version is usable, and the settings of health refuse its requests.
    NoInstance,
}

impl Pick {
    /// Creates the pick of the version at a position of the route, by the rule `reason`. `None`: no version can be picked.
    #[inline]
    pub(crate) const fn new(version: Option<usize>, reason: Reason) -> Self {
        Self { version, reason, avoided: 0 }
    }

    /// Avoids these instances of the version, as bits.
    pub(crate) const fn avoiding(self, avoided: u64) -> Self {
        Self { avoided, ..self }
    }
}

impl<'a> Choice<'a> {
    /// Counts the request in flight at the instance, from now on.
    #[inline]
    pub(crate) fn enter(&self) -> InFlight {
        self.seat.enter(self.shard, self.reason)
    }

    /// Returns the parts of the instance's base URL.
    #[inline]
    pub(crate) fn upstream(&self) -> &'a Upstream {
        self.seat.upstream(self.shard)
    }

    /// Returns the version.
    pub(crate) fn version(&self) -> &'a Version {
        &self.split.versions()[self.version]
    }

    /// Returns the base URL of the instance.
    pub(crate) fn backend(&self) -> &'a Backend {
        let instances = &self.version().instances;
        instances.iter().nth(self.instance).unwrap_or_else(|| instances.first())
    }
}

impl ServiceEntry {
    /// Loads the route for one request.
    #[inline(always)]
    pub(crate) fn load(&self) -> Loaded<'_> {
        Loaded { entry: self, live: self.live.load() }
    }

    /// Counts a request for a service without a route.
    #[cold]
    fn count_unknown(&self) {
        // Relaxed, here and below: counts of their own, which order nothing.
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that no version can take, and returns why.
    #[cold]
    fn count_unserved(&self, why: NoChoice) -> NoChoice {
        self.unserved.fetch_add(1, Ordering::Relaxed);
        why
    }
}

impl Loaded<'_> {
    /// Returns the route, or counts a request for an unknown service if none is published.
    #[inline(always)]
    pub(crate) fn snapshot(&self) -> Option<RouteSnapshot<'_>> {
        let Some(live) = self.live.as_deref() else {
            self.entry.count_unknown();
            return None;
        };
        Some(RouteSnapshot { entry: self.entry, live, shard: Shard::current() })
    }
}

impl<'a> RouteSnapshot<'a> {
    /// Returns the split that the request follows to its end.
    #[inline]
    pub(crate) fn split(&self) -> &'a Split {
        self.live.route().split()
    }

    /// Draws the version by weight alone.
    #[inline(always)]
    pub(crate) fn draw(&self) -> Pick {
        Pick::new(self.live.route().index_at(self.entry.points.next(self.shard)), Reason::Draw)
    }

    /// Picks the version that holds `slot`, the slot of the request's key.
    #[inline]
    pub(crate) fn by_slot(&self, slot: Point) -> Pick {
        Pick::new(self.live.route().index_of_slot(slot), Reason::Key)
    }

    /// Returns the point for an attempt after the first, and for a request that leaves its version.
    ///
    /// The points come from a sequence of their own: taken from the draw, they would spread the other requests less
    /// evenly.
    #[cold]
    pub(crate) fn failover_point(&self) -> Point {
        let versions = self.live.versions().iter();
        let failovers = versions.map(|version| version.counters().picks(Reason::Failover)).sum();
        Point::nth(self.split().salt(), failovers)
    }

    /// Returns the instances of the version at position `version` that requests may be sent to, as bits.
    pub(crate) fn usable(&self, version: usize) -> u64 {
        self.live.versions().get(version).map_or(0, LiveVersion::usable)
    }

    /// Chooses an instance of the picked version. Without a picked version, the request counts as unserved.
    #[inline(always)]
    pub(crate) fn choose(&self, pick: Pick) -> Result<Choice<'a>, NoChoice> {
        let picked = pick.version.and_then(|i| Some((i, self.live.versions().get(i)?)));
        let Some((i, version)) = picked else {
            return Err(self.entry.count_unserved(NoChoice::NoActiveVersion));
        };
        let choice = match version.pick(self.shard, pick.avoided) {
            Some(instance) => self.choice(i, instance, pick.reason),
            None => self.choose_without_usable(i, version, pick)?,
        };
        Ok(choice)
    }

    /// Creates the choice of a version and one of its instances.
    #[inline]
    pub(super) fn choice(
        &self,
        version: usize,
        (instance, seat): (usize, &'a Seat),
        reason: Reason,
    ) -> Choice<'a> {
        Choice { split: self.split(), version, instance, seat, reason, shard: self.shard }
    }

    /// Chooses for a request whose version, at position `i`, has no usable instance.
    ///
    /// An override stays with its version: a tester wants to see it fail.
    #[cold]
    fn choose_without_usable(
        self,
        i: usize,
        version: &'a LiveVersion,
        pick: Pick,
    ) -> Result<Choice<'a>, NoChoice> {
        // Those that were to be avoided may have become the only ones.
        if let Some(instance) = version.pick(self.shard, 0) {
            return Ok(self.choice(i, instance, pick.reason));
        }
        let fleet = version.fleet();
        if pick.reason != Reason::Override
            && fleet.is_some_and(|fleet| fleet.is_failover())
            && let Some(choice) = self.choose_another(i)
        {
            version.counters().count_diverted();
            return Ok(choice);
        }
        if fleet.is_some_and(|fleet| fleet.is_refusing()) {
            return Err(self.entry.count_unserved(NoChoice::NoInstance));
        }
        Ok(self.choice(i, version.pick_any(self.shard), pick.reason))
    }

    /// Chooses another version than the one at position `i`, by weight among those that have a usable instance.
    fn choose_another(&self, i: usize) -> Option<Choice<'a>> {
        let weights = self.split().versions().iter().enumerate().map(|(other, version)| {
            let is_candidate = other != i && self.usable(other) != 0;
            if is_candidate { u32::from(version.weight.hundredths()) } else { 0 }
        });
        let other = pick_by_weight(weights, self.failover_point())?;
        let instance = self.live.versions().get(other)?.pick(self.shard, 0)?;
        Some(self.choice(other, instance, Reason::Failover))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::SystemTime;

    use super::super::fleet_settings::FleetSettings;
    use super::*;
    use crate::routing::{Change, Draw, Route};

    /// One version at 100 and one at 0.
    fn two_versions() -> Split {
        let at = SystemTime::UNIX_EPOCH;
        let register = |name: &str| Change::register(name.parse().unwrap(), "http://h".parse().unwrap());
        let split = Split::new("auth".parse().unwrap(), 7).apply(&register("v0"), at).unwrap();
        split.apply(&register("v1"), at).unwrap()
    }

    /// The versions that drain. Their instances are listed beside them.
    fn draining_versions(entry: &ServiceEntry) -> usize {
        entry.draining(false, false).iter().filter(|(_, url)| url.is_none()).count()
    }

    #[test]
    fn only_readers_hold_a_retired_route() {
        let split = two_versions();
        let entry = ServiceEntry::new(Draw::Exact, split.service());
        let settings = FleetSettings::default();
        let publish = || entry.publish(&Arc::new(Route::compile(split.clone())), &settings);
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
            entry.publish(&Arc::new(Route::compile(split)), &FleetSettings::default());
            let first = Pick::new(Some(0), Reason::Draw);
            drop(entry.load().snapshot().unwrap().choose(first).unwrap().enter());
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
        let settings = FleetSettings::default();
        entry.publish(&route, &settings);
        let zero = Pick::new(Some(1), Reason::Draw);
        let in_flight = entry.load().snapshot().unwrap().choose(zero).unwrap().enter();
        let done = AtomicBool::new(false);
        // Miri runs some thousand times slower.
        let rounds = if cfg!(miri) { 30 } else { 100_000 };
        let observe = || {
            while !done.load(Ordering::Relaxed) {
                assert_eq!(draining_versions(&entry), 1);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..rounds {
                    entry.withdraw();
                    entry.publish(&route, &settings);
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
        entry.publish(&Arc::new(Route::compile(split)), &FleetSettings::default());
        let reader = entry.load();
        entry.withdraw();
        assert_eq!((entry.in_flight("v0"), entry.in_flight("v1")), (Some(1), Some(1)));
        let first = Pick::new(Some(0), Reason::Draw);
        let in_flight = reader.snapshot().unwrap().choose(first).unwrap().enter();
        drop(reader);
        assert_eq!((entry.in_flight("v0"), entry.in_flight("v1")), (Some(1), None));
        assert_eq!(draining_versions(&entry), 1);
        drop(in_flight);
        assert_eq!(entry.in_flight("v0"), None);
    }
}
