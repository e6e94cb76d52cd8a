//! Runs the version check of the application and records its results.

use std::future;
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::deployed::VersionProbe;
use super::error::DeployError;
use super::recorder::ProbeResults;
use super::version_check::{Healthy, Unhealthy, UrlRefused, VersionCheck};
use crate::handle::RoutingHandle;
use crate::routing::{Backend, Change, HealthPath, Instances, ServiceName, Split, Version, VersionShare};

/// The most instances of one version that are probed at the same time.
const PROBES_AT_ONCE: usize = 8;

/// The version check of the application.
#[derive(Debug)]
pub(super) struct Checker {
    check: Arc<dyn VersionCheck>,
    results: ProbeResults,
}

impl Checker {
    /// Creates a checker without results of probes.
    pub(super) fn new(check: Arc<dyn VersionCheck>) -> Self {
        Self { check, results: ProbeResults::default() }
    }

    /// Returns the results of the probes, for the metrics.
    #[cfg(feature = "metrics")]
    pub(super) const fn results(&self) -> &ProbeResults {
        &self.results
    }

    /// Refuses a change of `service` that names a URL which must not be registered, or brings one back.
    pub(super) fn admit(
        &self,
        service: &ServiceName,
        change: &Change,
        handle: &RoutingHandle,
    ) -> Result<(), DeployError> {
        match change {
            Change::Register(registration) => Ok(self.admit_all(registration.instances())?),
            Change::ChangeUrls { urls, .. } | Change::Update { urls, .. } => {
                Ok(urls.added().map_or(Ok(()), |added| self.admit_all(added))?)
            }
            Change::Restore { generation, shares, .. } => {
                let route = handle.route(service.as_str());
                self.admit_restored(*generation, shares, route.as_ref().map(|route| route.split()))
            }
            _ => Ok(()),
        }
    }

    /// Asks the version check about the base URLs in turn. Returns the first refusal.
    fn admit_all(&self, instances: &Instances) -> Result<(), UrlRefused> {
        instances.iter().try_for_each(|backend| self.check.admit(backend))
    }

    /// Checks all URLs of each version in `shares` whose URLs are not those that it has in `split`, the served one. The
    /// policy may have changed since they were registered. A version that is not served is checked too: another gateway
    /// may have registered it again.
    fn admit_restored(
        &self,
        generation: u64,
        shares: &[VersionShare],
        split: Option<&Split>,
    ) -> Result<(), DeployError> {
        let mut refused = Vec::new();
        for share in shares {
            let served = split.and_then(|split| split.version(share.version.as_str()));
            let served = served.map(|version| &version.instances);
            let brought_back = share.instances.as_ref().filter(|urls| Some(*urls) != served);
            if let Some(Err(cause)) = brought_back.map(|urls| self.admit_all(urls)) {
                refused.push((share.version.clone(), cause));
            }
        }
        if refused.is_empty() { Ok(()) } else { Err(DeployError::UrlNotRestorable { generation, refused }) }
    }

    /// Probes the instances of `version`, and returns the results in their order. Empty if the check does not probe.
    pub(super) async fn probe_all(
        &self,
        service: &ServiceName,
        version: &Version,
        health_path: Option<&HealthPath>,
    ) -> Vec<VersionProbe> {
        let probes = stream::iter(version.instances.iter().cloned()).map(|backend| async move {
            let probed = self.probe(&backend, health_path).await.transpose()?;
            Some(VersionProbe::new(version.name.clone(), backend, probed))
        });
        let probes: Vec<_> = probes.buffered(PROBES_AT_ONCE).filter_map(future::ready).collect().await;
        if !probes.is_empty() {
            self.results.record(service, version, VersionProbe::suffice(&probes));
        }
        probes
    }

    /// Probes the instances of a version that is about to get traffic.
    ///
    /// # Errors
    ///
    /// [`DeployError::Unhealthy`] if fewer than half of them pass.
    pub(super) async fn require_healthy(
        &self,
        service: &ServiceName,
        version: &Version,
        health_path: Option<&HealthPath>,
    ) -> Result<Vec<VersionProbe>, DeployError> {
        let probes = self.probe_all(service, version, health_path).await;
        if VersionProbe::suffice(&probes) {
            return Ok(probes);
        }
        let failed = probes.into_iter().filter_map(|probe| Some((probe.backend, probe.healthy.err()?)));
        Err(DeployError::Unhealthy { version: version.name.clone(), causes: failed.collect() })
    }

    /// Probes one instance. Returns `None` if the check does not probe.
    pub(super) async fn probe(
        &self,
        backend: &Backend,
        health_path: Option<&HealthPath>,
    ) -> Result<Option<Healthy>, Unhealthy> {
        self.check.probe(backend, health_path).await
    }
}
