//! The instances of versions: checks by an operator, and their health.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::checks::HealthEvent;
use super::clock::now;
use super::deployed::VersionProbe;
use super::deployments::Deployments;
use super::error::DeployError;
use crate::handle::Fleet;
use crate::health::{Event, InstanceState};
use crate::routing::{ChangeError, Route, ServiceName, Version, VersionName};
use crate::store::StoreError;

/// Pause between two looks at instances that were not checked yet.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Deployments {
    /// Probes each instance of a version now, as before the version gets traffic, and returns the results in the order of the
    /// instances. Empty if the version check does not probe.
    ///
    /// Eight are probed at a time. [`VersionProbe::suffice`] says whether the version would get traffic. The
    /// [health](super::Builder::with_health) of the instances does not change.
    ///
    /// ```
    /// # use tower_canary::routing::Change;
    /// # use tower_canary::store::ChangeRequest;
    /// # use tower_canary::{Deployments, Draw, ServiceName};
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let (deployments, auth): (_, ServiceName) = (Deployments::in_memory(Draw::Exact), "auth".parse()?);
    /// # let register = Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?);
    /// # deployments.apply(&auth, ChangeRequest::new(register, "alice")).await?;
    /// for probe in deployments.check(&auth, &"v1.0".parse()?).await? {
    ///     match probe.healthy {
    ///         Ok(healthy) => println!("{}: status {} after {:?}", probe.backend, healthy.status, healthy.took),
    ///         Err(unhealthy) => println!("{}: {unhealthy}", probe.backend),
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownService`] or [`ChangeError::UnknownVersion`], in [`DeployError::Store`], if there is no such
    /// version.
    pub async fn check(
        &self,
        service: &ServiceName,
        version: &VersionName,
    ) -> Result<Vec<VersionProbe>, DeployError> {
        let (route, version) = self.find(service, version)?;
        Ok(self.parts().checker.probe_all(service, &version, route.split().health_path()).await)
    }

    /// Probes each instance of a version as [`check`](Self::check) does, and ends the ejections of those that pass.
    ///
    /// Such an instance is in service on trial: one failed request ejects it again. An instance that is down stays so until
    /// its own checks pass. See [`check`](Self::check) for an example.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub async fn check_and_clear(
        &self,
        service: &ServiceName,
        version: &VersionName,
    ) -> Result<Vec<VersionProbe>, DeployError> {
        let (route, version) = self.find(service, version)?;
        let probes = self.parts().checker.probe_all(service, &version, route.split().health_path()).await;
        self.clear(&version, &probes);
        Ok(probes)
    }

    /// Returns the version as this process serves it, with its route.
    fn find(
        &self,
        service: &ServiceName,
        version: &VersionName,
    ) -> Result<(Arc<Route>, Version), DeployError> {
        let Some(route) = self.handle().route(service.as_str()) else {
            return Err(StoreError::UnknownService(service.clone()).into());
        };
        match route.split().version(version.as_str()).cloned() {
            Some(found) => Ok((route, found)),
            None => Err(StoreError::Refused(ChangeError::UnknownVersion(version.clone())).into()),
        }
    }

    /// Ends the ejections of the instances that passed their probe.
    fn clear(&self, version: &Version, probes: &[VersionProbe]) {
        let Some(health) = &self.parts().health else { return };
        let fleets = self.handle().fleets();
        let mut fleets = fleets.iter();
        let Some(fleet) = fleets.find(|fleet| fleet.id() == version.id && *fleet.version() == version.name)
        else {
            return;
        };
        for probe in probes.iter().filter(|probe| probe.healthy.is_ok()) {
            if let Some(i) = fleet.instances().position(&probe.backend) {
                health.log.apply(fleet, i, Event::Cleared, None, now());
            }
        }
        health.log.log_new_events();
    }

    /// Waits until each instance that is to be checked was checked once, at most for `limit`, and returns whether it was.
    ///
    /// A gateway that starts knows nothing about the instances, so it sends requests to all of them until their first checks
    /// have ended. An application that awaits this before it reports that it is ready sends none to instances that are down.
    /// Two seconds, the time limit of a check, are a good `limit`. [`run`](Self::run) has to run meanwhile. Without
    /// [health](super::Builder::with_health) it returns `true` at once.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_canary::health::Health;
    /// use tower_canary::store::MemoryStore;
    /// use tower_canary::{Deployments, NoVersionCheck};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let deployments =
    ///     Deployments::builder(MemoryStore::new(), NoVersionCheck).with_health(Health::new()).start().await?;
    /// let following = tokio::spawn(deployments.clone().run(std::future::pending()));
    /// if !deployments.checked(Duration::from_secs(2)).await {
    ///     eprintln!("some instances were not checked in time");
    /// }
    /// // ... bind the listener ...
    /// # following.abort();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn checked(&self, limit: Duration) -> bool {
        if self.parts().health.is_none() {
            return true;
        }
        let mut unchecked = self.handle().fleets();
        unchecked.retain(|fleet| self.awaits_check(fleet));
        let all = async {
            while !unchecked.is_empty() {
                sleep(LOOK_EVERY).await;
                unchecked.retain(|fleet| self.awaits_check(fleet));
            }
        };
        timeout(limit, all).await.is_ok()
    }

    /// Returns whether `fleet` is of a published version that is checked, and has an instance that was not checked yet.
    fn awaits_check(&self, fleet: &Fleet) -> bool {
        if !fleet.states().contains(&InstanceState::New) {
            return false;
        }
        let Some(route) = self.handle().route(fleet.service().as_str()) else { return false };
        let version = route.split().version(fleet.version().as_str()).filter(|version| version.active);
        route.split().health_path().is_some()
            && version.is_some_and(|version| version.instances == *fleet.instances())
    }

    /// Returns the last 100 changes in the health of instances that this gateway saw, oldest first. Empty without
    /// [health](super::Builder::with_health).
    ///
    /// Each is also one event of `tracing`: `info` if an instance or a version is in service again, else `warn`. They
    /// are not stored.
    ///
    /// ```
    /// # let deployments = tower_canary::Deployments::in_memory(tower_canary::Draw::Exact);
    /// for event in deployments.health_events() {
    ///     println!("{} {}: {} {:?}", event.service, event.version, event.kind, event.instance);
    /// }
    /// ```
    #[must_use]
    pub fn health_events(&self) -> Vec<HealthEvent> {
        self.parts().health.as_ref().map(|health| health.log.events()).unwrap_or_default()
    }
}
