//! Runs the version check of the application and records its results.

use std::sync::Arc;

use super::error::DeployError;
use super::recorder;
use super::version_check::{Healthy, UrlRefused, VersionCheck};
use crate::routing::{Change, HealthPath, ServiceName, Version};

/// The version check of the application.
#[derive(Debug)]
pub(super) struct Checker {
    check: Arc<dyn VersionCheck>,
}

impl Checker {
    pub(super) fn new(check: Arc<dyn VersionCheck>) -> Self {
        Self { check }
    }

    /// Refuses a change that names a URL which must not be registered.
    pub(super) fn admit(&self, change: &Change) -> Result<(), UrlRefused> {
        match change {
            Change::Register(registration) => {
                registration.instances().iter().try_for_each(|backend| self.check.admit(backend))
            }
            Change::SetUrl { backend, .. } | Change::Update { backend, .. } => self.check.admit(backend),
            _ => Ok(()),
        }
    }

    /// Probes `version`. Returns `None` if the check does not probe.
    pub(super) async fn probe(
        &self,
        service: &ServiceName,
        version: &Version,
        health_path: Option<&HealthPath>,
    ) -> Result<Option<Healthy>, DeployError> {
        let probed = self.check.probe(version, health_path).await;
        if !matches!(probed, Ok(None)) {
            recorder::record_probe(service, version, probed.is_ok());
        }
        probed.map_err(|cause| DeployError::Unhealthy { version: version.name.clone(), cause })
    }
}
