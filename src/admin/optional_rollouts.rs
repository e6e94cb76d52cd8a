//! The rollouts of the API, if the application has mounted some.

use std::time::Duration;

use tokio::time::timeout;

use super::problem::ApiError;
use crate::api::{ProblemKind, RolloutEffect};
use crate::rollout::{RolloutView, Rollouts};
use crate::routing::{ServiceName, Split};

/// The longest time that a change waits for the rollout that it affects. With the time limit of the store, a change fails
/// within 3 seconds while the database is down.
const STORE_TIMEOUT: Duration = Duration::from_millis(200);

/// The rollouts that the application has mounted with the API, or none.
#[derive(Clone, Debug, Default)]
pub(super) struct OptionalRollouts(Option<Rollouts>);

/// The rollout that a change of its service affects, or none.
#[derive(Debug)]
pub(super) struct AffectedRollout(Option<RolloutView>);

impl OptionalRollouts {
    pub(super) const fn new(rollouts: Rollouts) -> Self {
        Self(Some(rollouts))
    }

    /// Returns whether the API has rollouts.
    pub(super) const fn are_mounted(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the rollouts, or the problem `not-found`.
    pub(super) fn get(&self) -> Result<&Rollouts, ApiError> {
        let detail = "this gateway has no rollouts: set weights instead, or mount the API with rollouts";
        self.0.as_ref().ok_or_else(|| ApiError::new(ProblemKind::NotFound, detail))
    }

    /// Reads the rollout of `service` that is under way. The result is empty if this gateway has not loaded any, and if the store
    /// fails or does not respond within [`STORE_TIMEOUT`]: a change is made without this knowledge.
    pub(super) async fn under_way(&self, service: &ServiceName) -> AffectedRollout {
        let Some(rollouts) = &self.0 else { return AffectedRollout(None) };
        // Known from the last load. So a change of a service without a rollout does not read the store once more.
        if !rollouts.deployments().rolling().borrow().contains(service) {
            return AffectedRollout(None);
        }
        let found = timeout(STORE_TIMEOUT, rollouts.find(service, None)).await;
        AffectedRollout(found.ok().and_then(Result::ok))
    }
}

impl AffectedRollout {
    /// Returns the phase that the rollout gets by a change that results in the split `after`. `None`: there is no rollout.
    pub(super) fn effect_of(&self, after: &Split) -> Option<RolloutEffect> {
        let RolloutView { stored, plan, state, .. } = self.0.as_ref()?;
        Some(RolloutEffect::new(&stored.id, state.phase_after(plan, after).as_str()))
    }
}
