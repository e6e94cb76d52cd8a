//! What the gateways contribute to a rollout.

use super::engine::Engine;
use super::error::RolloutError;
use super::view::RolloutView;

/// A gateway as it contributes to a rollout. See [`Rollouts::replicas`](super::Rollouts::replicas).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RolloutReplica {
    /// The id of the process.
    pub id: String,
    /// The name under which it reports.
    pub name: String,
    /// Whether it serves the present split of the service. A hold counts only while all do.
    pub serves: bool,
    /// Whether it reported figures of the service. Without them its requests count for nothing.
    pub reports: bool,
}

impl Engine {
    /// Returns the gateways that share the store, in the order of their names, with what each contributes to
    /// `rollout`.
    pub(super) async fn replicas(&self, rollout: &RolloutView) -> Result<Vec<RolloutReplica>, RolloutError> {
        if !self.reported.is_recent() {
            self.reported.replace(&self.deployments.reported_figures().await?);
        }
        let replicas = self.deployments.replicas().await?;
        let service = rollout.stored.service.as_str();
        let replicas = replicas.into_iter().map(|replica| RolloutReplica {
            serves: replica.revision >= rollout.stored.service_revision,
            reports: self.reported.has(&replica.id, service),
            id: replica.id,
            name: replica.name,
        });
        Ok(replicas.collect())
    }
}
