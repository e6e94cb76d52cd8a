//! Why a call of the driver failed.

use thiserror::Error;

use crate::deployments::DeployError;
use crate::rollout::{GateName, Refused, StartRefused};
use crate::store::StoreError;

/// Why a rollout was not started, read or written. Each message names the fix.
///
/// See [`Rollouts`](super::Rollouts) for an example.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// The store refused it or could not be reached.
    #[error(transparent)]
    Store(StoreError),
    /// The change of the split was refused, a version that would get traffic is not healthy, or others wrote in
    /// between at each attempt.
    #[error(transparent)]
    Deploy(DeployError),
    /// The rollout refuses the order.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Others changed the split before the order. The rollout has followed that change, and the order was not carried out.
    #[error("others changed the split, so the rollout is {phase} now: look at it again and repeat the order")]
    Interfered {
        /// The word of the phase.
        phase: &'static str,
    },
    /// The rollout cannot begin.
    #[error(transparent)]
    StartRefused(#[from] StartRefused),
    /// The plan names a gate that this gateway does not have.
    #[error("{pointer}: the gateway has no gate {gate}: register it, or leave it out")]
    UnknownGate {
        /// The place in the plan, as a JSON pointer.
        pointer: String,
        /// The gate.
        gate: GateName,
    },
    /// The plan copies requests, which this gateway does not do.
    #[error("{pointer}: the gateway does not mirror requests: leave it out")]
    NoMirror {
        /// The place in the plan, as a JSON pointer.
        pointer: String,
    },
    /// This process does not report to the store, so nobody can judge by its requests.
    #[error("this gateway has no replica name: give it one, so that it reports what it counts")]
    NotAReplica,
    /// The store has no rollouts.
    #[error("the store of this gateway has no rollouts: use one that implements RolloutStore")]
    NoRolloutStore,
    /// There is no such rollout of the service.
    #[error("the service has no such rollout: list its rollouts for their ids")]
    UnknownRollout,
    /// A stored rollout cannot be read: a later release wrote it, or it was edited by hand.
    #[error("the stored rollout cannot be read: {0}")]
    Broken(String),
}

impl From<StoreError> for RolloutError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<DeployError> for RolloutError {
    fn from(error: DeployError) -> Self {
        match error {
            DeployError::Store(error) => Self::Store(error),
            other => Self::Deploy(other),
        }
    }
}
