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

/// The version and the instance for one request, before it is counted there. It borrows from the route, so the request
/// must [enter](Self::enter) before the route is dropped.
// A few pointers, which stay in registers: the request in flight is not among them. For the same reason the functions
// on the path of a request are always inlined: each result that goes through memory costs more instructions than the
// choice.
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
pub(crate) struct LoadedRoute<'a> {
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

/// The version that a rule picked for a request, before an instance is chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick {
    /// The position of the version in the split. `None`: no version has the point or the slot, since none is active.
    version: Option<usize>,
    reason: Reason,
    /// The instances that are used only if no other one is usable, as bits.
    avoided: u64,
}

/// Why a request was given no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoChoice {
    /// No route of the service is published, or the request names no service.
    UnknownService,
    /// No version of the service is active.
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
    pub(crate) fn load(&self) -> LoadedRoute<'_> {
        LoadedRoute { entry: self, live: self.live.load() }
    }

    /// Counts a request for a service without a route.
    #[cold]
    fn count_unknown(&self) {
        // Relaxed, here and below: counts of their own, which order nothing.
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request of a published service that is given no version, and returns `why`.
    #[cold]
    fn count_unserved(&self, why: NoChoice) -> NoChoice {
        self.unserved.fetch_add(1, Ordering::Relaxed);
        why
    }
}

impl LoadedRoute<'_> {
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

    /// Returns the point by which another version is chosen: after a failed attempt, or because no instance of the
    /// version is usable.
    ///
    /// The points come from a sequence of their own: taken from the draw, they would be missing in the sequence that
    /// keeps the shares of the versions exact.
    #[cold]
    pub(crate) fn failover_point(&self) -> Point {
        let versions = self.live.versions().iter();
        let failovers = versions.map(|version| version.counters().picks(Reason::Failover)).sum();
        Point::nth(self.split().salt(), failovers)
    }

    /// Returns the usable instances of the version at position `version`, as bits. 0 if none is usable.
    pub(crate) fn usable(&self, version: usize) -> u64 {
        self.live.versions().get(version).map_or(0, LiveVersion::usable)
    }

    /// Chooses an instance of the picked version, or of another one if the settings of health say so.
    ///
    /// An error counts the request as unserved: [`NoChoice::NoActiveVersion`] without a picked version,
    /// [`NoChoice::NoInstance`] if no instance is usable and the settings of health refuse the request.
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

    /// Chooses for a request whose version, at position `i`, has no usable instance that is not to be avoided. In this
    /// order:
    ///
    /// 1. an instance that was to be avoided, if one is usable,
    /// 2. another version, if the settings of health fail over and the request has no override: a tester wants to see
    ///    the version that the override names, also its errors,
    /// 3. an error, if the settings of health refuse the request,
    /// 4. any instance of the version.
    #[cold]
    fn choose_without_usable(
        self,
        i: usize,
        version: &'a LiveVersion,
        pick: Pick,
    ) -> Result<Choice<'a>, NoChoice> {
        if let Some(instance) = version.pick(self.shard, 0) {
            return Ok(self.choice(i, instance, pick.reason));
        }
        let fleet = version.fleet();
        if pick.reason != Reason::Override
            && fleet.is_some_and(|fleet| fleet.fails_over())
            && let Some(choice) = self.choose_another(i)
        {
            version.counters().count_diverted();
            return Ok(choice);
        }
        if fleet.is_some_and(|fleet| fleet.refuses()) {
            return Err(self.entry.count_unserved(NoChoice::NoInstance));
        }
        Ok(self.choice(i, version.pick_any(self.shard), pick.reason))
    }

    /// Chooses another version than the one at position `i`, by weight among those that have a usable instance. `None`
    /// if none of them has a weight.
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
