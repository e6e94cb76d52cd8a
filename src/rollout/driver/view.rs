//! A rollout as it is stored, with its parts in types.

use super::error::RolloutError;
use crate::rollout::{Evidence, Guard, Lack, PauseReason, Phase, Plan, Resumable, State, Verdict};
use crate::store::StoredRollout;

/// A rollout: its plan, its state, its evidence, and the columns of the store.
///
/// See [`Rollouts`](super::Rollouts) for an example.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RolloutView {
    /// The columns: id, service, leader, times.
    pub stored: StoredRollout,
    /// The plan.
    pub plan: Plan,
    /// The state.
    pub state: State,
    /// What the guard has seen.
    pub evidence: Evidence,
}

impl RolloutView {
    /// Reads the columns of a stored rollout, or returns [`RolloutError::Broken`] with the one that this release
    /// cannot read.
    pub(super) fn read(stored: StoredRollout) -> Result<Self, RolloutError> {
        let plan: Plan = stored.plan.parse().map_err(|error| broken(&stored, "plan", error))?;
        let state = serde_json::from_str(&stored.state).map_err(|error| broken(&stored, "state", error))?;
        let evidence = stored.evidence.as_deref().map(serde_json::from_str).transpose();
        let evidence = evidence.map_err(|error| broken(&stored, "evidence", error))?.unwrap_or_default();
        Ok(Self { plan, state, evidence, stored })
    }

    /// Returns the guard of the plan.
    #[must_use]
    pub fn guard(&self) -> Guard {
        Guard::new(&self.plan)
    }

    /// Returns the verdict about the present stage, or about the last one after it. A stage does not pass before its
    /// hold is over, and one that paused at its deadline is inconclusive. `None` before the first stage.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        let stage = self.plan.stage(self.state.number())?;
        let is_watched =
            matches!(self.state.phase(), Phase::Holding | Phase::Paused { from: Resumable::Holding, .. });
        let verdict = match self.guard().verdict(&self.evidence) {
            Verdict::Pass { .. } if is_watched && self.state.held() < stage.hold => {
                Verdict::Open(Lack::HoldUnfinished)
            }
            verdict => verdict,
        };
        match self.state.phase() {
            Phase::Paused { why: PauseReason::Inconclusive { .. }, .. } => Some(verdict.at_deadline()),
            _ => Some(verdict),
        }
    }
}

/// Creates the error for a column that this release cannot read, such as one of a later release.
fn broken(stored: &StoredRollout, column: &str, error: impl std::fmt::Display) -> RolloutError {
    RolloutError::Broken(format!("{}, column {column}: {error}", stored.id))
}
