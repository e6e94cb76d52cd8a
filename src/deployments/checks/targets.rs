//! The instances that are checked.

use std::collections::HashMap;
use std::mem::take;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use super::schedule::{CheckId, Pace, Schedule};
use crate::common::hash::{fnv1a, mix};
use crate::handle::{Fleet, RoutingHandle};
use crate::health::{Health, InstanceState};
use crate::routing::{Backend, HealthPath, ServiceName};

/// The time without requests after which a service is idle.
const IDLE_AFTER: Duration = Duration::from_secs(60);

/// The instances of active versions of services with a health path, and when each is checked.
#[derive(Debug)]
pub(in crate::deployments) struct Targets {
    schedule: Schedule,
    instances: HashMap<CheckId, Target, RandomState>,
    services: HashMap<ServiceName, CheckedService, RandomState>,
    /// Spreads the checks of several gateways.
    seed: u64,
}

/// An instance to check.
#[derive(Clone, Debug)]
pub(in crate::deployments) struct Target {
    fleet: Arc<Fleet>,
    index: usize,
    path: Arc<HealthPath>,
}

/// The checked versions of one service.
#[derive(Debug, Default)]
struct CheckedService {
    versions: Vec<CheckedVersion>,
    /// Number of requests that its instances were chosen for, at the last look.
    picks: u64,
    /// When a look found new requests last. `None`: no look has.
    busy_at: Option<Instant>,
}

/// A version whose instances are checked, with the ids of their entries in the schedule.
#[derive(Debug)]
struct CheckedVersion {
    fleet: Arc<Fleet>,
    path: Arc<HealthPath>,
    /// In the order of the instances.
    ids: Vec<CheckId>,
}

impl Targets {
    /// Creates the list without targets. `seed` differs between gateways.
    pub(in crate::deployments) fn new(settings: &Health, seed: u64) -> Self {
        Self {
            schedule: Schedule::new(settings),
            instances: HashMap::default(),
            services: HashMap::default(),
            seed,
        }
    }

    /// Follows the published `fleets`, and returns those that are not checked because their service has no health path.
    ///
    /// An instance keeps its place in the schedule as long as its version is active and has its URL.
    pub(in crate::deployments) fn follow(
        &mut self,
        fleets: &[Arc<Fleet>],
        handle: &RoutingHandle,
        now: Instant,
    ) -> Vec<Arc<Fleet>> {
        let mut before = take(&mut self.services);
        let mut without_path = Vec::new();
        for fleet in fleets {
            let Some(route) = handle.route(fleet.service().as_str()) else { continue };
            let split = route.split();
            let is_active = split.version(fleet.version().as_str()).is_some_and(|version| version.active);
            match split.health_path() {
                None => without_path.push(Arc::clone(fleet)),
                Some(path) if is_active => self.follow_version(&mut before, fleet, path, now),
                Some(_) => {}
            }
        }
        for version in before.into_values().flat_map(|service| service.versions) {
            self.forget(version.ids);
        }
        without_path
    }

    /// Follows one version that is checked. `before` has the services of the last call that were not followed yet.
    fn follow_version(
        &mut self,
        before: &mut HashMap<ServiceName, CheckedService, RandomState>,
        fleet: &Arc<Fleet>,
        path: &HealthPath,
        now: Instant,
    ) {
        let earlier = before.get_mut(fleet.service()).and_then(|service| service.take_version(fleet));
        let version = match earlier {
            Some(same) if Arc::ptr_eq(&same.fleet, fleet) && *same.path == *path => same,
            earlier => self.replace_version(earlier, fleet, path, now),
        };
        let service = self.services.entry(fleet.service().clone()).or_insert_with(|| {
            before.get(fleet.service()).map(CheckedService::without_versions).unwrap_or_default()
        });
        service.versions.push(version);
    }

    /// Schedules the instances of a version that is new, or whose URLs or health path changed.
    fn replace_version(
        &mut self,
        earlier: Option<CheckedVersion>,
        fleet: &Arc<Fleet>,
        path: &HealthPath,
        now: Instant,
    ) -> CheckedVersion {
        let path = Arc::new(path.clone());
        let has_same_path = earlier.as_ref().is_some_and(|earlier| earlier.path == path);
        let mut ids = Vec::with_capacity(fleet.instances().len().get());
        for (index, backend) in fleet.instances().iter().enumerate() {
            let kept = earlier.as_ref().and_then(|earlier| earlier.id_of(backend));
            let id = kept.unwrap_or_else(|| self.schedule.add(self.seed_of(fleet, backend), now));
            // A URL that was removed and added again between two calls has its place in the schedule, but starts as new.
            if !has_same_path || fleet.state(index) == Some(InstanceState::New) {
                self.schedule.advance(id, now);
            }
            self.instances.insert(id, Target { fleet: Arc::clone(fleet), index, path: Arc::clone(&path) });
            ids.push(id);
        }
        let removed = earlier.into_iter().flat_map(|earlier| earlier.ids).filter(|id| !ids.contains(id));
        self.forget(removed.collect());
        CheckedVersion { fleet: Arc::clone(fleet), path, ids }
    }

    /// Removes instances. A check that is under way may still end; its result then finds no instance.
    fn forget(&mut self, ids: Vec<CheckId>) {
        for id in ids {
            self.schedule.remove(id);
            self.instances.remove(&id);
        }
    }

    /// Returns the number that spreads the checks of instances over the interval. It differs by gateway,
    /// service and URL, so gateways do not check one instance at the same moment.
    fn seed_of(&self, fleet: &Fleet, backend: &Backend) -> u64 {
        mix(self.seed ^ fnv1a(fleet.service().as_str())) ^ fnv1a(backend.as_str())
    }

    /// Records which services got requests since the last call. The instances of one that was idle are then checked
    /// within the interval.
    pub(in crate::deployments) fn record_requests(&mut self, now: Instant) {
        for service in self.services.values_mut() {
            let picks = service.versions.iter().map(|version| version.fleet.picks()).sum();
            // Fewer: a version with requests was removed.
            if picks > service.picks {
                if !service.is_busy(now) {
                    service.ids().for_each(|id| self.schedule.hurry(id, now));
                }
                service.busy_at = Some(now);
            }
            service.picks = picks;
        }
    }

    /// Returns when the next check may start. `None`: not before another has ended.
    pub(in crate::deployments) fn next_due(&self) -> Option<Instant> {
        self.schedule.next_due()
    }

    /// Starts the next check and returns its instance. `None`: none is due, or another one has to end before.
    pub(in crate::deployments) fn start(&mut self, now: Instant) -> Option<(CheckId, Target)> {
        let id = self.schedule.start(now)?;
        let target = self.instances.get(&id)?;
        Some((id, target.clone()))
    }

    /// Returns the instance, as it is published now. `None`: it was removed.
    pub(in crate::deployments) fn get(&self, id: CheckId) -> Option<Target> {
        self.instances.get(&id).cloned()
    }

    /// Ends a check, whose result was applied to the instance.
    pub(in crate::deployments) fn finish(&mut self, id: CheckId, now: Instant) {
        let target = self.instances.get(&id);
        let pace = target.map_or(Pace::Idle, |target| self.pace(target, now));
        let state = target.and_then(|target| target.fleet.state(target.index));
        self.schedule.finish(id, pace, state == Some(InstanceState::Down), now);
    }

    /// Returns the pace of the checks of an instance: a recheck if its state may be about to change, else the pace of
    /// its service with or without requests.
    fn pace(&self, target: &Target, now: Instant) -> Pace {
        // A check that panicked leaves an instance new.
        let is_new = target.fleet.state(target.index) == Some(InstanceState::New);
        if is_new || target.fleet.is_undecided(target.index) {
            return Pace::Recheck;
        }
        let service = self.services.get(target.fleet.service());
        if service.is_some_and(|service| service.is_busy(now)) { Pace::Busy } else { Pace::Idle }
    }
}

impl Target {
    /// Returns the fleet of the version to which the instance belongs.
    pub(in crate::deployments) const fn fleet(&self) -> &Arc<Fleet> {
        &self.fleet
    }

    /// Returns the position of the instance in its version.
    pub(in crate::deployments) const fn index(&self) -> usize {
        self.index
    }

    /// Returns the path that is requested.
    pub(super) fn path(&self) -> &HealthPath {
        &self.path
    }

    /// Returns the base URL of the instance.
    pub(super) fn backend(&self) -> &Backend {
        // The index is a position of these instances, so the first one never stands in.
        self.fleet.instances().iter().nth(self.index).unwrap_or_else(|| self.fleet.instances().first())
    }
}

impl CheckedService {
    /// Returns whether the service had requests a short while ago.
    fn is_busy(&self, now: Instant) -> bool {
        self.busy_at.is_some_and(|at| now.saturating_duration_since(at) < IDLE_AFTER)
    }

    /// Returns the entries of all instances of the service.
    fn ids(&self) -> impl Iterator<Item = CheckId> {
        self.versions.iter().flat_map(|version| version.ids.iter().copied())
    }

    /// Returns a copy of the activity, without versions.
    fn without_versions(&self) -> Self {
        Self { versions: Vec::new(), ..*self }
    }

    /// Removes and returns the version that `fleet` continues. `None`: the service did not have it.
    fn take_version(&mut self, fleet: &Fleet) -> Option<CheckedVersion> {
        let mut known = self.versions.iter().map(|version| &version.fleet);
        let at = known.position(|known| known.id() == fleet.id() && known.version() == fleet.version())?;
        Some(self.versions.swap_remove(at))
    }
}

impl CheckedVersion {
    /// Returns the entry of the instance at a base URL, or `None` if the version does not have it.
    fn id_of(&self, backend: &Backend) -> Option<CheckId> {
        let at = self.fleet.instances().position(backend)?;
        self.ids.get(at).copied()
    }
}
