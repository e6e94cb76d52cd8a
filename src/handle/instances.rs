//! The instances of versions, observed from outside.

use std::future::Future;
use std::sync::Arc;

use super::entry::{ServiceEntry, is_reachable};
use super::fleet::Fleet;
use super::fleet_state::InstanceHealth;
use super::live::{LiveRoute, LiveVersion};
use super::retired::{RetiredRoutes, RetiredVersion};
use super::routing_handle::RoutingHandle;
use super::status::{InstanceStatus, VersionInstances};
use crate::health::InstanceState;
use crate::routing::{Backend, Version, VersionName};
use crate::traffic::{InstanceCounts, ServiceSnapshot};

impl RoutingHandle {
    /// Returns the instances of each version of `service`, or `None` if the service is not published.
    ///
    /// The states are those of this gateway. With [`Health`](crate::health::Health) they change while
    /// [`Deployments::run`](crate::Deployments::run) runs.
    ///
    /// ```
    /// # use tower_canary::routing::{Change, Route, Split};
    /// # use tower_canary::RoutingHandle;
    /// # let handle = RoutingHandle::new();
    /// # let at = std::time::SystemTime::now();
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
    /// #     .apply(&Change::add_urls("v1.0".parse()?, tower_canary::routing::Instances::new(vec!["http://10.0.0.2".parse()?])?), at)?;
    /// # assert!(handle.publish(Route::compile(split)));
    /// let versions = handle.instances("auth").ok_or("not published")?;
    /// for instance in &versions[0].instances {
    ///     println!("{} is {} and has {} requests", instance.backend, instance.state, instance.in_flight);
    /// }
    /// assert_eq!((versions[0].instances.len(), versions[0].usable), (2, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn instances(&self, service: &str) -> Option<Vec<VersionInstances>> {
        self.find(service)?.instances()
    }

    /// Returns how many requests the instance of `version` at `backend` has in flight through layers of this handle. 0
    /// for an instance that is neither published nor in use, an unknown one included.
    ///
    /// ```
    /// # use tower_canary::routing::{Change, Route, Split};
    /// # use tower_canary::RoutingHandle;
    /// # let handle = RoutingHandle::new();
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
    /// # assert!(handle.publish(Route::compile(split)));
    /// assert_eq!(handle.instance_in_flight("auth", "v1.0", &"http://10.0.0.1".parse()?), 0);
    /// let request = handle.choose("auth", None)?;
    /// assert_eq!(handle.instance_in_flight("auth", "v1.0", request.backend()), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn instance_in_flight(&self, service: &str, version: &str, backend: &Backend) -> usize {
        self.find(service).map_or(0, |entry| entry.instance_in_flight(version, backend))
    }

    /// Returns whether the instance of `version` at `backend` is drained: it gets no more requests through layers of
    /// this handle, and its last one has ended.
    ///
    /// Remove its base URL from the version first. Its process may be stopped once every gateway that follows the store
    /// reports the same: [`OtherReplicas::instance_blockers`](crate::deployments::OtherReplicas::instance_blockers)
    /// names the gateways that do not.
    ///
    /// An instance that is neither published nor in use is drained: a removed one whose last request has ended, and one
    /// that this handle never had. [`instances`](Self::instances) returns the published ones.
    ///
    /// ```
    /// # use tower_canary::routing::{Backend, Change, Instances, Route, Split};
    /// # use tower_canary::RoutingHandle;
    /// # let (handle, at) = (RoutingHandle::new(), std::time::SystemTime::now());
    /// # let [first, second]: [Backend; 2] = ["http://10.0.0.1".parse()?, "http://10.0.0.2".parse()?];
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, first.clone()), at)?
    /// #     .apply(&Change::add_urls("v1.0".parse()?, second.into()), at)?;
    /// # assert!(handle.publish(Route::compile(split.clone())));
    /// let request = handle.choose("auth", None)?;
    /// let old = request.backend().clone();
    /// let remove = Change::remove_urls("v1.0".parse()?, old.clone().into());
    /// assert!(handle.publish(Route::compile(split.apply(&remove, at)?)));
    /// assert!(!handle.is_instance_drained("auth", "v1.0", &old));
    /// drop(request);
    /// assert!(handle.is_instance_drained("auth", "v1.0", &old));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_instance_drained(&self, service: &str, version: &str, backend: &Backend) -> bool {
        let Some(entry) = self.find(service) else { return true };
        entry.is_instance_drained(version, backend, self.is_zero_weight_reachable())
    }

    /// Returns the fleets of all published versions, active or not.
    pub(crate) fn fleets(&self) -> Vec<Arc<Fleet>> {
        self.entries_owned().values().flat_map(|entry| entry.fleets()).collect()
    }

    /// Waits for an instance with so many failures in a row that it is to be judged. Returns its fleet and its position
    /// there.
    ///
    /// Dropping the future loses no instance.
    pub(crate) fn next_row(&self) -> impl Future<Output = (Arc<Fleet>, usize)> + Send + use<> {
        let rows = Arc::clone(self.fleet_settings().rows());
        async move { rows.next().await }
    }
}

impl ServiceEntry {
    /// Reads the instances of all published versions at one moment.
    fn instances(&self) -> Option<Vec<VersionInstances>> {
        self.observe(|live, retired| {
            let live = live?;
            // Before the counters are read: see `RetiredRoutes`.
            let readers = retired.readers();
            let versions = live.route().split().versions().iter().enumerate();
            let instances = versions.map(|(i, version)| self.instances_of(live, i, version, readers));
            Some(instances.collect())
        })
    }

    /// Returns the instances of `version`, which is at position `i` of the split. `readers` are the requests that read
    /// a retired route, and may yet choose any instance.
    fn instances_of(
        &self,
        live: &LiveRoute,
        i: usize,
        version: &Version,
        readers: usize,
    ) -> VersionInstances {
        let counters = live.used_versions().get(i).map(LiveVersion::counters);
        let fleet = live.fleet(i);
        let mut counts = counters.map_or_else(Vec::new, |counters| counters.instances());
        let backends = version.instances.iter().enumerate();
        let mut instances: Vec<_> =
            backends.map(|(i, backend)| self.status(fleet, i, take(&mut counts, backend))).collect();
        let removed = counts.into_iter().filter(|counts| readers + counts.in_flight > 0);
        instances.extend(removed.map(|counts| {
            let unjudged = self.unjudged_status(counts);
            InstanceStatus { registered: false, usable: false, ..unjudged }
        }));
        let usable = fleet.map_or(1, |fleet| fleet.usable());
        for (i, instance) in instances.iter_mut().enumerate().filter(|(_, instance)| instance.registered) {
            instance.usable = (usable >> i) & 1 == 1;
        }
        VersionInstances {
            id: version.id,
            version: version.name.clone(),
            observed: fleet.is_some(),
            instances,
            usable: usable.count_ones() as usize,
            none_usable: usable == 0,
            diverted: counters.map_or(0, |counters| counters.diverted()),
        }
    }

    /// Returns the status of the instance at position `i` of a version.
    fn status(&self, fleet: Option<&Arc<Fleet>>, i: usize, counts: InstanceCounts) -> InstanceStatus {
        let unjudged = self.unjudged_status(counts);
        let Some(InstanceHealth { record, times, checks }) = fleet.and_then(|fleet| fleet.instance_health(i))
        else {
            return unjudged;
        };
        InstanceStatus {
            state: record.state(),
            since: times.since,
            until: times.until,
            trial: record.is_on_trial(),
            ejections: record.ejections(),
            last_check: checks.last,
            checks_passed: checks.passed,
            checks_failed: checks.failed,
            ..unjudged
        }
    }

    /// Returns the status of an instance that nothing judges: it is up since the handle got the service.
    fn unjudged_status(&self, counts: InstanceCounts) -> InstanceStatus {
        InstanceStatus {
            backend: counts.backend,
            registered: true,
            state: InstanceState::Up,
            usable: true,
            since: self.created(),
            until: None,
            trial: false,
            ejections: 0,
            last_check: None,
            checks_passed: 0,
            checks_failed: 0,
            in_flight: counts.in_flight,
            picks: counts.picks,
            failures: counts.failures,
        }
    }

    /// Returns how many requests the instance of `version` at `backend` has in flight.
    fn instance_in_flight(&self, version: &str, backend: &Backend) -> usize {
        self.observe(|live, retired| instance_in_flight(live, retired, version, backend))
    }

    /// Returns whether the instance of the version called `name` at `backend` is drained: it gets no more requests, and
    /// its last one has ended. An instance that is neither published nor in use is drained.
    fn is_instance_drained(&self, name: &str, backend: &Backend, zero_weight_reachable: bool) -> bool {
        self.observe(|live, retired| {
            let split = live.map(|live| live.route().split());
            let version = split.and_then(|split| Some((split, split.version(name)?)));
            let is_reachable = version.is_some_and(|(split, version)| {
                version.instances.contains(backend) && is_reachable(split, version, zero_weight_reachable)
            });
            !is_reachable && instance_in_flight(live, retired, name, backend) == 0
        })
    }

    /// Returns what may get requests or has some in flight although it is to get no more: versions at weight 0, and
    /// instances that were removed. Where the route `is_outdated`, also the versions that serve, and all instances that may
    /// get requests: each may be one that was removed from the store.
    pub(super) fn draining(
        &self,
        zero_weight_reachable: bool,
        is_outdated: bool,
    ) -> Vec<(VersionName, Option<Backend>)> {
        // One observation: the counters move between the live route and the retired ones when the service returns.
        self.observe(|live, retired| {
            let mut draining = retired_instances(retired);
            let Some(live) = live else {
                draining.extend(retired.draining().into_iter().map(|version| (version, None)));
                return draining;
            };
            // Most services have none of these, and of thousands of services the snapshots would be most of the work.
            let versions = live.route().split().versions();
            if is_outdated
                || !retired.versions().is_empty()
                || versions.iter().any(|version| version.weight.is_zero())
            {
                let snapshot = self.snapshot_of(live, retired, zero_weight_reachable);
                draining.extend(draining_versions(&snapshot, is_outdated));
            }
            draining.extend(removed_instances(live, retired.readers()));
            if is_outdated {
                draining.extend(reachable_instances(live, zero_weight_reachable));
            }
            draining
        })
    }
}

/// Returns the versions of `snapshot` that drain. Where the route `is_outdated`, also those that serve.
fn draining_versions(
    snapshot: &ServiceSnapshot,
    is_outdated: bool,
) -> impl Iterator<Item = (VersionName, Option<Backend>)> {
    let versions = snapshot.versions().filter(move |(version, counted)| match version.weight.is_zero() {
        true => counted.in_flight() > 0 || counted.is_reachable(),
        false => is_outdated,
    });
    versions.map(|(version, _)| (version.name.clone(), None))
}

/// Returns the removed instances of published versions that have requests or may yet get some.
fn removed_instances(live: &LiveRoute, readers: usize) -> Vec<(VersionName, Option<Backend>)> {
    let mut instances = Vec::new();
    for (version, used) in live.route().split().versions().iter().zip(live.used_versions()) {
        let counts = used.counters().instances().into_iter();
        let removed = counts
            .filter(|counts| !version.instances.contains(&counts.backend) && readers + counts.in_flight > 0);
        instances.extend(removed.map(|counts| (version.name.clone(), Some(counts.backend))));
    }
    instances
}

/// Returns the instances of published versions that may get requests.
fn reachable_instances(
    live: &LiveRoute,
    zero_weight_reachable: bool,
) -> impl Iterator<Item = (VersionName, Option<Backend>)> {
    let split = live.route().split();
    let versions = split.versions().iter();
    let reachable = versions.filter(move |version| is_reachable(split, version, zero_weight_reachable));
    reachable
        .flat_map(|version| version.instances.iter().map(|url| (version.name.clone(), Some(url.clone()))))
}

/// Returns the instances of retired versions that have requests or may yet get some.
fn retired_instances(retired: &RetiredRoutes) -> Vec<(VersionName, Option<Backend>)> {
    // Before the counters are read: see `RetiredRoutes`.
    let readers = retired.readers();
    let mut instances = Vec::new();
    for RetiredVersion { version, live } in retired.versions() {
        let counts = live.counters().instances().into_iter();
        let used = counts.filter(|counts| readers + counts.in_flight > 0);
        instances.extend(used.map(|counts| (version.name.clone(), Some(counts.backend))));
    }
    instances
}

/// Takes the counts of `backend` out of `counts`, or returns those of an instance without requests.
fn take(counts: &mut Vec<InstanceCounts>, backend: &Backend) -> InstanceCounts {
    match counts.iter().position(|counts| counts.backend == *backend) {
        Some(at) => counts.swap_remove(at),
        None => InstanceCounts { backend: backend.clone(), in_flight: 0, picks: 0, failures: 0 },
    }
}

/// Returns the requests in flight at the instances at `backend` of the published and the retired versions called
/// `name`, and all readers of retired routes that have not chosen yet: too many for a moment, never too few.
fn instance_in_flight(
    live: Option<&LiveRoute>,
    retired: &RetiredRoutes,
    name: &str,
    backend: &Backend,
) -> usize {
    // Before the counters are read: see `RetiredRoutes`.
    let readers = retired.readers();
    let counters = live.and_then(|live| live.counters_by_name(name));
    // Also of a removed instance, until it has ended: see `Counters`.
    let published = counters.and_then(|counters| counters.in_flight_at(backend));
    match (published, retired.in_flight_at(name, backend)) {
        // No route that a request reads has such an instance.
        (None, None) => 0,
        (published, retired) => readers + published.unwrap_or(0) + retired.unwrap_or(0),
    }
}
