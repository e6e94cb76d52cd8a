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

/// The rollouts that the application has mounted.
#[derive(Clone, Debug, Default)]
pub(super) struct Mounted(Option<Rollouts>);

/// The rollout of a service before a change, if one is under way.
#[derive(Debug)]
pub(super) struct Before(Option<RolloutView>);

impl Mounted {
    pub(super) const fn new(rollouts: Rollouts) -> Self {
        Self(Some(rollouts))
    }

    /// Returns whether the API has rollouts.
    pub(super) const fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the rollouts, or the problem `not-found`.
    pub(super) fn get(&self) -> Result<&Rollouts, ApiError> {
        let detail = "this gateway has no rollouts: set weights instead, or mount the API with rollouts";
        self.0.as_ref().ok_or_else(|| ApiError::new(ProblemKind::NotFound, detail))
    }

    /// Reads the rollout that a change of `service` may affect, if this gateway knows of one. A failure to read it does not
    /// prevent the change.
    pub(super) async fn before(&self, service: &ServiceName) -> Before {
        let Some(rollouts) = &self.0 else { return Before(None) };
        if !rollouts.deployments().rolling().borrow().contains(service) {
            return Before(None);
        }
        let found = timeout(STORE_TIMEOUT, rollouts.find(service, None)).await;
        Before(found.ok().and_then(Result::ok))
    }
}

impl Before {
    /// Returns what a change that results in the split `after` does to the rollout.
    pub(super) fn effect(&self, after: &Split) -> Option<RolloutEffect> {
        let RolloutView { stored, plan, state, .. } = self.0.as_ref()?;
        Some(RolloutEffect::new(&stored.id, state.phase_after(plan, after).as_str()))
    }
}
