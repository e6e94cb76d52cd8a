//! The instances of versions, observed from outside.

use std::future::Future;
use std::sync::Arc;

use super::entry::{ServiceEntry, is_reachable};
use super::fleet::Fleet;
use super::fleet_state::InstanceHealth;
use super::live::{LiveRoute, LiveVersion};
use super::retired::RetiredRoutes;
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

    /// Returns how many requests the instance of `version` at `backend` has in flight through layers of this handle. `None`
    /// for an instance that is neither published nor in use.
    ///
    /// ```
    /// # use tower_canary::routing::{Change, Route, Split};
    /// # use tower_canary::RoutingHandle;
    /// # let handle = RoutingHandle::new();
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
    /// # assert!(handle.publish(Route::compile(split)));
    /// assert_eq!(handle.instance_in_flight("auth", "v1.0", &"http://10.0.0.1".parse()?), Some(0));
    /// assert_eq!(handle.instance_in_flight("auth", "v1.0", &"http://10.0.0.9".parse()?), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn instance_in_flight(&self, service: &str, version: &str, backend: &Backend) -> Option<usize> {
        self.find(service)?.instance_in_flight(version, backend)
    }

    /// Returns whether the instance of `version` at `backend` is drained: it gets no more requests through layers of this
    /// handle, and its last one has ended. `None` for an instance that is neither published nor in use.
    ///
    /// Remove its base URL from the version first. Its process may be stopped once every gateway that follows the store
    /// reports the same.
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
    /// let open = handle.choose("auth", None)?;
    /// assert_eq!(handle.is_instance_drained("auth", "v1.0", open.backend()), Some(false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_instance_drained(&self, service: &str, version: &str, backend: &Backend) -> Option<bool> {
        self.find(service)?.is_instance_drained(version, backend, self.is_zero_weight_reachable())
    }

    /// Returns the fleets of all published versions, active or not.
    pub(crate) fn fleets(&self) -> Vec<Arc<Fleet>> {
        self.entries_owned().values().flat_map(|entry| entry.fleets()).collect()
    }

    /// Waits for an instance with as many failures in a row as make its row full. Returns its fleet and its position there.
    ///
    /// The future can be dropped at any time: it loses none.
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

    /// Returns the instances of `version`, number `i` of the split.
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
        let left = counts.into_iter().filter(|counts| readers + counts.in_flight > 0);
        instances.extend(left.map(|counts| {
            let up = self.up(counts);
            InstanceStatus { registered: false, usable: false, ..up }
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

    /// Returns the status of the instance number `i` of a version.
    fn status(&self, fleet: Option<&Arc<Fleet>>, i: usize, counts: InstanceCounts) -> InstanceStatus {
        let up = self.up(counts);
        let Some(InstanceHealth { record, times, checks }) = fleet.and_then(|fleet| fleet.instance_health(i)) else {
            return up;
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
            ..up
        }
    }

    /// Returns the status of an instance that nothing judges.
    fn up(&self, counts: InstanceCounts) -> InstanceStatus {
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

    /// Returns the requests in flight at an instance.
    fn instance_in_flight(&self, version: &str, backend: &Backend) -> Option<usize> {
        self.observe(|live, retired| instance_in_flight(live, retired, version, backend))
    }

    /// Returns whether an instance gets no more requests and its last one has ended. `None` if it is unknown.
    fn is_instance_drained(
        &self,
        version: &str,
        backend: &Backend,
        zero_weight_reachable: bool,
    ) -> Option<bool> {
        self.observe(|live, retired| {
            let in_flight = instance_in_flight(live, retired, version, backend)?;
            let split = live.map(|live| live.route().split());
            let version = split.and_then(|split| Some((split, split.version(version)?)));
            let is_reachable = version.is_some_and(|(split, version)| {
                version.instances.contains(backend) && is_reachable(split, version, zero_weight_reachable)
            });
            Some(in_flight == 0 && !is_reachable)
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

/// Returns the instances of versions that left, while they have requests or may yet get some.
fn retired_instances(retired: &RetiredRoutes) -> Vec<(VersionName, Option<Backend>)> {
    // Before the counters are read: see `RetiredRoutes`.
    let readers = retired.readers();
    let mut instances = Vec::new();
    for left in retired.versions() {
        let counts = left.counters().instances().into_iter();
        let used = counts.filter(|counts| readers + counts.in_flight > 0);
        instances.extend(used.map(|counts| (left.version.name.clone(), Some(counts.backend))));
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

/// Counts the requests in flight at an instance, of published and of retired routes, with all readers that
/// have not chosen yet.
fn instance_in_flight(
    live: Option<&LiveRoute>,
    retired: &RetiredRoutes,
    name: &str,
    backend: &Backend,
) -> Option<usize> {
    // Before the counters are read: see `RetiredRoutes`.
    let readers = retired.readers();
    let version = live.and_then(|live| live.route().split().version(name));
    let is_published = version.is_some_and(|version| version.instances.contains(backend));
    let counters = live.and_then(|live| live.counters_by_name(name));
    let present = counters.and_then(|counters| counters.in_flight_at(backend));
    let left = retired.in_flight_at(name, backend);
    let in_flight = present.unwrap_or(0) + left.unwrap_or(0);
    match is_published {
        true => Some(readers + in_flight),
        false => present.or(left).map(|_| readers + in_flight).filter(|in_flight| *in_flight > 0),
    }
}
