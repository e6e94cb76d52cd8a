//! A route while it is published, with the counters and the instances of its versions.

use std::sync::{Arc, OnceLock};

use super::balanced::BalancedInstances;
use super::fleet::Fleet;
use super::fleet_settings::FleetSettings;
use super::live_mirror::LiveMirror;
use super::seat::Seat;
use crate::common::sharded::Shard;
use crate::routing::{Backend, Instances, Route, Version};
use crate::traffic::Counters;

/// A route and the state that requests use while they follow it.
#[derive(Debug)]
pub(super) struct LiveRoute {
    route: Arc<Route>,
    /// In the order of the split. Empty if no version has a fleet.
    fleets: Box<[Option<Arc<Fleet>>]>,
    /// In the order of the split. Created for the first request, for an observer, or for the route that continues this
    /// one: of many services, most are idle.
    versions: OnceLock<Box<[LiveVersion]>>,
    /// Which version gets copies of requests. A request without a mirror pays for the comparison of this pointer.
    #[cfg_attr(not(feature = "mirror"), allow(dead_code, reason = "without a mirror nothing is copied"))]
    mirror: Option<Box<LiveMirror>>,
}

/// A version as requests see it. A clone is the same version.
#[derive(Clone, Debug)]
pub(super) struct LiveVersion {
    instances: Instances,
    counters: Arc<Counters>,
    /// The first instance, which is the only one if `balanced` is `None`.
    first: Seat,
    balanced: Option<Arc<BalancedInstances>>,
}

impl LiveRoute {
    /// Creates the route of a service that has no counters yet.
    pub(super) fn new(route: Arc<Route>, settings: &FleetSettings) -> Self {
        let fleets = fleets(&route, settings, |_| None);
        Self { route, fleets, versions: OnceLock::new(), mirror: None }
    }

    /// Creates a route whose versions continue those that `before` returns. A version for which it returns `None`
    /// starts without counts.
    pub(super) fn continuing(
        route: Arc<Route>,
        settings: &FleetSettings,
        before: impl FnMut(&Version) -> Option<LiveVersion>,
    ) -> Self {
        let before: Vec<_> = route.split().versions().iter().map(before).collect();
        let fleets = fleets(&route, settings, |i| before[i].as_ref());
        let versions = live_versions(&route, &fleets, |i| before[i].as_ref()).into();
        Self { route, fleets, versions, mirror: None }
    }

    /// Sets the mirror of the route.
    pub(super) fn with_mirror(self, mirror: Option<Box<LiveMirror>>) -> Self {
        Self { mirror, ..self }
    }

    /// Returns the mirror of the route, if it has one.
    #[cfg(feature = "mirror")]
    #[inline]
    pub(super) fn mirror(&self) -> Option<&LiveMirror> {
        self.mirror.as_deref()
    }

    /// Returns the compiled split.
    #[inline]
    pub(super) const fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// Returns the versions in the order of the split, and creates them if they do not exist.
    #[inline]
    pub(super) fn versions(&self) -> &[LiveVersion] {
        self.versions.get_or_init(|| live_versions(&self.route, &self.fleets, |_| None))
    }

    /// Returns the versions in the order of the split, or nothing if they were not created yet: then they had no
    /// request.
    pub(super) fn used_versions(&self) -> &[LiveVersion] {
        self.versions.get().map_or(&[], |versions| versions)
    }

    /// Returns the fleet of the version at position `i` of the split, if it has one.
    pub(super) fn fleet(&self, i: usize) -> Option<&Arc<Fleet>> {
        self.fleets.get(i)?.as_ref()
    }

    /// Returns the fleets of its versions.
    pub(super) fn fleets(&self) -> impl Iterator<Item = &Arc<Fleet>> {
        self.fleets.iter().flatten()
    }

    /// Returns the version that is the same registration as `version`, or `None` if the route has no such version.
    pub(super) fn version(&self, version: &Version) -> Option<&LiveVersion> {
        let versions = self.route.split().versions();
        self.versions().get(versions.iter().position(|other| is_same_registration(other, version))?)
    }

    /// Returns the counters of the version called `name`, or `None` if the split has no such version.
    pub(super) fn counters_by_name(&self, name: &str) -> Option<&Arc<Counters>> {
        let i = self.route.split().versions().iter().position(|version| version.name.as_str() == name)?;
        self.versions().get(i).map(LiveVersion::counters)
    }
}

impl LiveVersion {
    /// Creates the live form of a version. It continues the counters of `before`, and the instances whose base URLs
    /// stay.
    fn new(version: &Version, fleet: Option<&Arc<Fleet>>, before: Option<&Self>) -> Self {
        let counters = before.map_or_else(Arc::default, |before| Arc::clone(&before.counters));
        let backend = version.backend();
        let balanced = fleet.map(|fleet| balanced(fleet, &counters, before));
        let first = match &balanced {
            Some(balanced) => balanced.seat(backend).cloned(),
            None => before.and_then(|before| before.seat(backend)),
        };
        let first = first.unwrap_or_else(|| Seat::alone(backend, &counters));
        Self { instances: version.instances.clone(), counters, first, balanced }
    }

    /// Returns the instance at `backend`, or `None` if it is no base URL of the version.
    fn seat(&self, backend: &Backend) -> Option<Seat> {
        match &self.balanced {
            Some(balanced) => balanced.seat(backend).cloned(),
            None => (self.instances.first() == backend).then(|| self.first.clone()),
        }
    }

    /// Picks the instance for a request among the usable ones that are not in `avoided`, and returns its position and
    /// itself. `None` if there is none. The only instance of a version without a fleet is always picked, also if it is
    /// to be avoided.
    #[inline]
    pub(super) fn pick(&self, shard: Shard, avoided: u64) -> Option<(usize, &Seat)> {
        match &self.balanced {
            None => Some((0, &self.first)),
            Some(balanced) => balanced.pick(shard, avoided),
        }
    }

    /// Picks the instance for a request among all of them, usable or not.
    pub(super) fn pick_any(&self, shard: Shard) -> (usize, &Seat) {
        let picked = self.balanced.as_ref().and_then(|balanced| balanced.pick_any(shard));
        picked.unwrap_or((0, &self.first))
    }

    /// Returns the usable instances as bits by their positions.
    pub(super) fn usable(&self) -> u64 {
        self.fleet().map_or(1, |fleet| fleet.words().usable())
    }

    /// Returns the fleet. `None` for a version with one instance that is not checked.
    pub(super) fn fleet(&self) -> Option<&Arc<Fleet>> {
        self.balanced.as_ref().map(|balanced| balanced.fleet())
    }

    /// Returns the counters of the version.
    #[inline]
    pub(super) const fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }
}

/// Returns the instances of `fleet`: the ones of `before` if it has the same fleet, else new ones that continue the
/// instances of `before` at the same base URLs.
fn balanced(fleet: &Arc<Fleet>, counters: &Counters, before: Option<&LiveVersion>) -> Arc<BalancedInstances> {
    let earlier = before.and_then(|before| before.balanced.as_ref());
    match earlier.filter(|balanced| Arc::ptr_eq(balanced.fleet(), fleet)) {
        Some(same) => Arc::clone(same),
        None => Arc::new(BalancedInstances::new(fleet, counters, |backend| before?.seat(backend))),
    }
}

/// Returns the fleet of each version of a new route: the one of the route before where the base URLs are the
/// same. `before` returns the live form that the version at a position continues. Empty if no version has a fleet.
fn fleets<'a>(
    route: &Route,
    settings: &FleetSettings,
    before: impl Fn(usize) -> Option<&'a LiveVersion>,
) -> Box<[Option<Arc<Fleet>>]> {
    let split = route.split();
    let versions = split.versions().iter().enumerate();
    let fleets: Vec<_> = versions
        .map(|(i, version)| {
            let before = before(i).map(|before| (&before.instances, before.fleet()));
            settings.fleet(split, version, before)
        })
        .collect();
    if fleets.iter().all(Option::is_none) { Box::default() } else { fleets.into() }
}

/// Creates the live form of each version, in the order of the split. `before` returns the one that the version at a
/// position continues.
fn live_versions<'a>(
    route: &Route,
    fleets: &[Option<Arc<Fleet>>],
    before: impl Fn(usize) -> Option<&'a LiveVersion>,
) -> Box<[LiveVersion]> {
    let versions = route.split().versions().iter().enumerate();
    let live = versions.map(|(i, version)| {
        let fleet = fleets.get(i).and_then(Option::as_ref);
        LiveVersion::new(version, fleet, before(i))
    });
    live.collect()
}

/// Returns whether `a` and `b` are one registration of a version.
///
/// A store that was restored from a backup may derive an identity a second time, so the name must agree too.
pub(super) fn is_same_registration(a: &Version, b: &Version) -> bool {
    a.id == b.id && a.name == b.name
}
