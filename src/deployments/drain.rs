//! Decides which other gateways may still have requests for a version or an instance. The docs of `progress` prove the
//! decision.

use std::sync::Arc;

use super::loader::Loader;
use super::publisher::Publisher;
use super::replicas::Replicas;
use crate::routing::{Backend, ServiceName, VersionName};
use crate::store::{Draining, Replica, StoreError};

/// The other gateways that share the store, as they reported last. Returned by
/// [`Deployments::other_replicas`](super::Deployments::other_replicas), which has an example.
#[derive(Clone, Debug)]
pub struct OtherReplicas {
    publisher: Arc<Publisher>,
    service: ServiceName,
    replicas: Vec<Replica>,
}

/// Why a gateway may still have requests for a version or an instance that is to get no more.
///
/// ```
/// use tower_canary::deployments::DrainBlocker;
///
/// assert_eq!(DrainBlocker::Behind.as_str(), "behind");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DrainBlocker {
    /// The gateway has requests for it, or pins and overrides may bring it some. Of an instance, it may also be a gateway of
    /// the release before, which does not report instances.
    Draining,
    /// The gateway has not followed the last change of the service yet.
    Behind,
}

impl DrainBlocker {
    /// Returns the name that the admin API uses: `draining` or `behind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Behind => "behind",
        }
    }
}

impl OtherReplicas {
    /// Reads the reports of the other replicas, and then the store up to the latest revision that they name.
    pub(super) async fn read(
        replicas: &Replicas,
        loader: &Loader,
        publisher: &Arc<Publisher>,
        service: &ServiceName,
    ) -> Result<Self, StoreError> {
        let others = replicas.others().await?;
        let latest = others.iter().map(|other| other.revision).max().unwrap_or(0);
        if publisher.served_revision(service).is_none() {
            loader.refresh().await?;
        } else {
            loader.refresh_to(latest).await?;
        }
        Ok(Self { publisher: Arc::clone(publisher), service: service.clone(), replicas: others })
    }

    /// Iterates over the gateways that may still have requests for `version`, each with the reason.
    ///
    /// Read the counters of this gateway between [`other_replicas`](crate::Deployments::other_replicas) and this, as with
    /// [`RoutingHandle::is_drained`](crate::RoutingHandle::is_drained).
    pub fn blockers(&self, version: &VersionName) -> impl Iterator<Item = (&Replica, DrainBlocker)> {
        // Read now rather than before: the route whose counters the caller has read is recorded by now.
        let needed = self.publisher.served_revision(&self.service);
        let draining = Draining::new(self.service.clone(), version.clone());
        self.replicas.iter().filter_map(move |replica| {
            let reason = blocker(replica, needed, |replica| replica.draining.contains(&draining))?;
            Some((replica, reason))
        })
    }

    /// Iterates over the gateways that may still have requests for the instance of `version` at `backend`, each with the
    /// reason. The instance is drained once its URL was removed from the version, or the version is drained.
    ///
    /// Read the counters of this gateway between [`other_replicas`](crate::Deployments::other_replicas) and this, as with
    /// [`RoutingHandle::is_instance_drained`](crate::RoutingHandle::is_instance_drained).
    ///
    /// ```
    /// # use tower_canary::routing::{Backend, Change};
    /// # use tower_canary::store::{ChangeRequest, MemoryStore};
    /// # use tower_canary::{Deployments, NoVersionCheck, ServiceName, VersionName};
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// # let deployments = Deployments::builder(MemoryStore::new(), NoVersionCheck).with_replica_name("gateway-1").start().await?;
    /// # let (auth, version): (ServiceName, VersionName) = ("auth".parse()?, "v1.0".parse()?);
    /// # let (kept, old): (Backend, Backend) = ("http://10.0.0.1".parse()?, "http://10.0.0.2".parse()?);
    /// # for change in [
    /// #     Change::register(version.clone(), kept),
    /// #     Change::add_urls(version.clone(), old.clone().into()),
    /// # ] {
    /// #     deployments.apply(&auth, ChangeRequest::new(change, "alice")).await?;
    /// # }
    /// let remove = Change::remove_urls(version.clone(), old.clone().into());
    /// deployments.apply(&auth, ChangeRequest::new(remove, "alice")).await?;
    /// let others = deployments.other_replicas(&auth).await?;
    /// let is_drained_here = deployments.handle().is_instance_drained("auth", "v1.0", &old);
    /// let may_be_stopped = is_drained_here && others.instance_blockers(&version, &old).next().is_none();
    /// # assert!(may_be_stopped);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn instance_blockers(
        &self,
        version: &VersionName,
        backend: &Backend,
    ) -> impl Iterator<Item = (&Replica, DrainBlocker)> {
        // Read now, for the same reason as in `blockers`.
        let needed = self.publisher.served_revision(&self.service);
        let draining = self.draining_instance(version, backend);
        self.replicas.iter().filter_map(move |replica| {
            let reason = blocker(replica, needed, |replica| draining.is_reported_by(replica))?;
            Some((replica, reason))
        })
    }

    /// Returns what a report names if its gateway has requests for the instance: the URL, or the whole
    /// version while the URL belongs to it.
    fn draining_instance(&self, version: &VersionName, backend: &Backend) -> DrainingInstance {
        let route = self.publisher.handle().route(self.service.as_str());
        let registered = route.as_ref().and_then(|route| route.split().version(version.as_str()));
        let is_registered = registered.is_some_and(|version| version.instances.contains(backend));
        let of_version = Draining::new(self.service.clone(), version.clone());
        DrainingInstance {
            instance: of_version.clone().with_url(backend.clone()),
            version: is_registered.then_some(of_version),
        }
    }
}

/// What replicas report that have requests for an instance.
struct DrainingInstance {
    instance: Draining,
    /// Requests for the version may be at each of its instances. `None`: the instance was removed from it.
    version: Option<Draining>,
}

impl DrainingInstance {
    /// Returns whether a replica may have requests for the instance.
    fn is_reported_by(&self, replica: &Replica) -> bool {
        // A gateway of the release before reports versions only, and may have requests for a URL that was replaced.
        !replica.reports_urls
            || replica.draining.contains(&self.instance)
            || self.version.as_ref().is_some_and(|version| replica.draining.contains(version))
    }
}

/// Returns why `replica` may still have requests for a version or an instance, if the change that drains it is in the store
/// at the revision `needed`. `is_draining`: the replica reports it as draining.
fn blocker(
    replica: &Replica,
    needed: Option<u64>,
    is_draining: impl FnOnce(&Replica) -> bool,
) -> Option<DrainBlocker> {
    let has_followed = needed.is_some_and(|needed| replica.revision >= needed);
    if !has_followed {
        return Some(DrainBlocker::Behind);
    }
    is_draining(replica).then_some(DrainBlocker::Draining)
}

/// Two gateways on one store, step by step in any order: what the docs of `progress` claim.
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::deployments::progress::WholeLoad;
    use crate::handle::RoutingHandle;
    use crate::routing::{Change, Split};
    use crate::store::{Applied, ChangeRequest, Report, Snapshot};

    type TestResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

    /// The only service with a version that drains, `v0`. It has traffic in every other generation.
    struct Central {
        revision: u64,
        split: Split,
        /// Revision of the last change of `split`.
        changed: u64,
    }

    impl Central {
        fn new() -> TestResult<Self> {
            let mut split = Split::new("auth".parse()?, 7);
            for (version, url) in [("v0", "http://10.0.0.1"), ("v1", "http://10.0.0.2")] {
                let register = Change::register(version.parse()?, url.parse()?);
                split = split.apply(&register, std::time::SystemTime::UNIX_EPOCH)?;
            }
            Ok(Self { revision: 2, split, changed: 2 })
        }

        /// Switches between the two versions. A removed service is registered again first.
        fn switch(&mut self) -> TestResult<Applied> {
            if self.split.is_removed() {
                for (version, url) in [("v0", "http://10.0.0.1"), ("v1", "http://10.0.0.2")] {
                    self.apply(Change::register(version.parse()?, url.parse()?))?;
                }
            }
            let target = if has_traffic(&self.split) { "v1" } else { "v0" };
            self.apply(Change::switch(target.parse()?))
        }

        /// Removes the service, or registers it again.
        fn remove(&mut self) -> TestResult<Applied> {
            if self.split.is_removed() { self.switch() } else { self.apply(Change::force_remove_service()) }
        }

        fn apply(&mut self, change: Change) -> TestResult<Applied> {
            let request = ChangeRequest::new(change, "alice").without_check();
            let before = self.split.clone();
            self.split = request.decide(&before, std::time::SystemTime::UNIX_EPOCH)?;
            self.revision += 1;
            self.changed = self.revision;
            Ok(Applied::new(before, self.split.clone(), self.revision))
        }

        fn changes(&self, after: u64, revision: u64) -> Snapshot {
            let splits = if self.changed > after { vec![self.split.clone()] } else { Vec::new() };
            Snapshot::new(revision, splits)
        }
    }

    fn has_traffic(split: &Split) -> bool {
        split.version("v0").is_some_and(|version| !version.weight.is_zero())
    }

    /// A load between the read of the revision and the read of the splits.
    enum Load {
        Changes { after: u64, revision: u64 },
        Whole { load: WholeLoad, revision: u64 },
    }

    struct Gateway {
        publisher: Arc<Publisher>,
        load: Option<Load>,
        /// Committed here and not published yet.
        committed: Vec<Applied>,
        /// Requests that have read a route and are not counted yet: whether it gave traffic to `v0`.
        reading: Vec<bool>,
        in_flight: usize,
        /// The first half of a report.
        reported_revision: Option<u64>,
    }

    impl Gateway {
        fn new(central: &Central) -> Self {
            let publisher = Arc::new(Publisher::new(RoutingHandle::new()));
            let gateway = Self {
                publisher,
                load: None,
                committed: Vec::new(),
                reading: Vec::new(),
                in_flight: 0,
                reported_revision: None,
            };
            if let Some(load) = gateway.publisher.whole_load_due() {
                gateway.publisher.publish_whole(&load, central.changes(0, central.revision));
            }
            gateway
        }

        fn serves(&self) -> Option<Split> {
            self.publisher.handle().route("auth").map(|route| route.split().clone())
        }

        /// Publishes one of the changes that were committed here, in any order.
        fn publish_committed(&mut self, central: &Central, pick: usize) {
            if self.committed.is_empty() {
                return;
            }
            let applied = self.committed.remove(pick % self.committed.len());
            if !self.publisher.publish_applied(&applied) {
                self.refresh(central);
            }
        }

        /// Ends what is under way, and polls the store once more.
        fn settle(&mut self, central: &Central) {
            while !self.committed.is_empty() {
                self.publish_committed(central, 0);
            }
            self.refresh(central);
        }

        fn gives_traffic(&self) -> bool {
            self.serves().is_some_and(|split| has_traffic(&split))
        }

        fn start_load(&mut self, central: &Central) {
            if self.load.is_none() {
                let after = self.publisher.load_started();
                self.load = Some(Load::Changes { after, revision: central.revision });
            }
        }

        fn finish_load(&mut self, central: &Central) {
            match self.load.take() {
                Some(Load::Changes { after, revision }) => {
                    self.publisher.publish_changes(&central.changes(after, revision));
                    let due = self.publisher.whole_load_due();
                    self.load = due.map(|load| Load::Whole { load, revision: central.revision });
                }
                Some(Load::Whole { load, revision }) => {
                    self.publisher.publish_whole(&load, central.changes(0, revision));
                }
                None => {}
            }
        }

        fn refresh(&mut self, central: &Central) {
            while self.load.is_some() {
                self.finish_load(central);
            }
            self.start_load(central);
            while self.load.is_some() {
                self.finish_load(central);
            }
        }

        fn count_request(&mut self) {
            if self.reading.pop() == Some(true) {
                self.in_flight += 1;
            }
        }

        /// The second half of a report. Requests that still read a route count at every version.
        fn report(&mut self) -> TestResult<Option<Report>> {
            let Some(revision) = self.reported_revision.take() else { return Ok(None) };
            let has_requests = self.in_flight > 0 || !self.reading.is_empty();
            let is_draining = has_requests && !self.gives_traffic();
            let draining = if is_draining { vec![draining_v0()?] } else { Vec::new() };
            Ok(Some(Report::new("b", "b", revision).with_draining(draining)))
        }

        /// Whether it has requests for `v0`, counted or not.
        fn has_requests(&self) -> bool {
            self.in_flight > 0 || self.reading.contains(&true)
        }
    }

    fn draining_v0() -> TestResult<Draining> {
        Ok(Draining::new("auth".parse()?, "v0".parse()?))
    }

    struct World {
        central: Central,
        here: Gateway,
        there: Gateway,
        sent: Vec<Report>,
        registered: Replica,
    }

    impl World {
        fn new() -> TestResult<Self> {
            let central = Central::new()?;
            let here = Gateway::new(&central);
            let there = Gateway::new(&central);
            let registered = Replica::new(Report::new("b", "b", 0), Duration::ZERO);
            Ok(Self { central, here, there, sent: Vec::new(), registered })
        }

        fn step(&mut self, step: u8, pick: usize) -> TestResult {
            let gateway = if pick.is_multiple_of(2) { &mut self.here } else { &mut self.there };
            match step {
                0 => gateway.committed.push(self.central.switch()?),
                1 => drop(self.central.switch()?),
                2 => self.central.revision += 1,
                3 => gateway.publish_committed(&self.central, pick / 2),
                4 | 5 => gateway.start_load(&self.central),
                6 | 7 => gateway.finish_load(&self.central),
                8 => gateway.publisher.require_whole_load(),
                9 => self.there.reading.push(self.there.gives_traffic()),
                10 => self.there.count_request(),
                11 => self.there.in_flight = self.there.in_flight.saturating_sub(1),
                12 => self.there.reported_revision = Some(self.there.publisher.freshness().revision),
                13 => self.sent.extend(self.there.report()?),
                15 => gateway.committed.push(self.central.remove()?),
                14 if !self.sent.is_empty() => {
                    let report = self.sent.remove(pick % self.sent.len());
                    self.registered = Replica::new(report, Duration::ZERO);
                }
                _ => self.decide()?,
            }
            Ok(())
        }

        /// Lets `here` decide. If it says that nothing blocks, then nothing does, unless it has missed a change.
        fn decide(&mut self) -> TestResult {
            let service = "auth".parse()?;
            let served = self.here.publisher.served_revision(&service);
            if served.is_none() || self.registered.revision > self.here.publisher.revision() {
                self.here.refresh(&self.central);
            }
            let needed = self.here.publisher.served_revision(&service);
            let draining = draining_v0()?;
            let blocked = blocker(&self.registered, needed, |replica| replica.draining.contains(&draining));
            let is_latest = self.here.serves().as_ref() == Some(&self.central.split);
            if blocked.is_none() && is_latest && !has_traffic(&self.central.split) {
                assert!(!self.there.has_requests(), "requests are left");
                assert!(!self.there.gives_traffic(), "requests may still start");
            }
            Ok(())
        }
    }

    #[test]
    fn gateway_that_reports_no_urls_holds_each_instance() -> TestResult {
        let draining =
            DrainingInstance { instance: draining_v0()?.with_url("http://h".parse()?), version: None };
        let replica = Replica::new(Report::new("b", "b", 7), Duration::ZERO);
        assert!(!draining.is_reported_by(&replica));
        assert!(draining.is_reported_by(&replica.with_reports_urls(false)));
        let of_version = Report::new("b", "b", 7).with_draining(vec![draining_v0()?]);
        let replica = Replica::new(of_version, Duration::ZERO);
        assert!(!draining.is_reported_by(&replica), "its requests are at other instances");
        let registered = DrainingInstance { version: Some(draining_v0()?), ..draining };
        assert!(registered.is_reported_by(&replica));
        Ok(())
    }

    #[test]
    fn late_response_of_the_store_claims_no_revision() -> TestResult {
        let mut world = World::new()?;
        let late = world.central.switch()?;
        world.central.switch()?;
        world.central.switch()?;
        world.here.publisher.require_whole_load();
        world.here.refresh(&world.central);
        assert!(!world.here.publisher.publish_applied(&late));
        world.here.refresh(&world.central);
        assert_eq!(world.here.publisher.served_revision(&"auth".parse()?), Some(world.central.revision));
        Ok(())
    }

    #[test]
    fn change_applied_during_a_load_keeps_its_revision() -> TestResult {
        let mut world = World::new()?;
        world.central.switch()?;
        world.here.refresh(&world.central);
        world.here.start_load(&world.central);
        let applied = world.central.switch()?;
        assert!(world.here.publisher.publish_applied(&applied));
        world.here.finish_load(&world.central);
        assert_eq!(world.here.publisher.served_revision(&"auth".parse()?), Some(world.central.revision));
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn drained_means_drained_everywhere(steps in prop::collection::vec((0u8..18, 0usize..6), 1..150)) {
            let mut world = World::new().map_err(|error| TestCaseError::fail(error.to_string()))?;
            for (step, pick) in steps {
                world.step(step, pick).map_err(|error| TestCaseError::fail(error.to_string()))?;
            }
            let last = Some(world.central.split.clone()).filter(|split| !split.is_removed());
            for gateway in [&mut world.here, &mut world.there] {
                gateway.settle(&world.central);
                prop_assert_eq!(gateway.serves(), last.clone(), "every gateway serves the last change");
            }
        }
    }
}
