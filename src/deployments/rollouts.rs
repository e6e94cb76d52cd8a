//! What the driver of rollouts needs of the deployments.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

use super::apply::{Applier, MAX_PROBE_ROUNDS, NotifyOnDrop, clear};
use super::audit::log_applied;
use super::background::Duty;
use super::deployed::VersionProbe;
use super::deployments::Deployments;
use super::error::DeployError;
use super::recorder;
use crate::routing::ServiceName;
use crate::store::{ReplicaFigures, RolloutStore, RolloutWrite, RolloutWritten, StoreError};

impl Deployments {
    /// Returns a receiver of the services with a rollout.
    pub(crate) fn rolling(&self) -> watch::Receiver<Arc<BTreeSet<ServiceName>>> {
        self.parts().publisher.rolling()
    }

    /// Returns the rollouts of the store, if it has any.
    pub(crate) fn rollout_store(&self) -> Option<&dyn RolloutStore> {
        self.parts().store.rollout_store()
    }

    /// Returns the figures that the replicas reported last.
    pub(crate) async fn reported_figures(&self) -> Result<Vec<ReplicaFigures>, StoreError> {
        match self.parts().store.replica_registry() {
            Some(registry) => registry.figures().await,
            None => Ok(Vec::new()),
        }
    }

    /// Writes to a rollout, and publishes its changes before it returns. Versions that get traffic are probed as for
    /// [`apply`](Self::apply).
    pub(crate) async fn write_rollout(
        &self,
        write: RolloutWrite,
    ) -> Result<(RolloutWritten, Vec<VersionProbe>), DeployError> {
        self.parts().applier.write_rollout(write).await
    }

    /// Runs `duties` beside those of [`run`](Self::run), and lists them with those.
    pub(crate) async fn run_duties(
        &self,
        duties: Vec<Box<dyn Duty>>,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        self.parts().background.run(duties, shutdown).await;
    }
}

impl Applier {
    /// Writes to a rollout, and probes the versions that its changes give traffic, as for a change that a person makes.
    /// Returns the result of the write, and the results of the probes.
    ///
    /// Other writers may change the split during each round of probes, so there are several:
    /// [`DeployError::Unsettled`] after the last one.
    async fn write_rollout(
        &self,
        mut write: RolloutWrite,
    ) -> Result<(RolloutWritten, Vec<VersionProbe>), DeployError> {
        let mut probes = Vec::new();
        for _ in 0..MAX_PROBE_ROUNDS {
            match self.write_and_publish(&write).await {
                Ok(written) => return Ok((written, probes)),
                Err(StoreError::NotCleared { versions, health_path }) => {
                    for version in versions {
                        let service = &write.service;
                        let probed = self.checker.require_healthy(service, &version, health_path.as_ref());
                        probes.extend(probed.await?);
                        for request in &mut write.changes {
                            clear(request, version.name.clone(), version.instances.clone());
                        }
                    }
                }
                Err(refused) => return Err(refused.into()),
            }
        }
        Err(DeployError::Unsettled)
    }

    /// Writes once, and publishes the changes that were written. If the future is dropped in between, the refresher
    /// publishes them.
    async fn write_and_publish(&self, write: &RolloutWrite) -> Result<RolloutWritten, StoreError> {
        let Some(store) = self.store.rollout_store() else {
            return Err(StoreError::Unavailable("the store has no rollouts".into()));
        };
        let unpublished = NotifyOnDrop::new(&self.unpublished);
        let outcome = store.write_rollout(write).await;
        recorder::record_store_call("write-rollout", &outcome);
        let mut is_published = true;
        if let Ok(RolloutWritten::Written { applied, .. }) = &outcome {
            // No await before the publication, as for a change that is applied by itself.
            for (request, applied) in write.changes.iter().zip(applied) {
                log_applied(request, applied);
                is_published &= self.publisher.publish_applied(applied);
            }
        }
        if !is_published {
            let _ = self.loader.refresh().await;
        }
        unpublished.disarm();
        outcome
    }
}
