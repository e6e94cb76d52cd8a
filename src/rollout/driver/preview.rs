//! What a start would do.

use super::engine::Engine;
use super::error::RolloutError;
use super::start::Opening;
use crate::rollout::{Plan, Refused, StagePreview};
use crate::routing::ServiceName;

/// What a start would do. See [`Rollouts::preview`](super::Rollouts::preview).
///
/// Nothing was stored and nothing probed. So a start may still be refused: another rollout may begin first,
/// and the canary may fail its probe.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartPreview {
    /// The id of the rollout by the same plan that is under way, which a start returns. `None`: a start begins one.
    pub running: Option<String>,
    /// The effect of each stage on the present split, and of the promotion at the end, if the plan has one.
    pub stages: Vec<StagePreview>,
}

impl Engine {
    /// Returns what a start would do, without starting anything. If a rollout by the same plan is under way,
    /// the preview has its id.
    pub(super) async fn preview(
        &self,
        service: &ServiceName,
        plan: &Plan,
    ) -> Result<StartPreview, RolloutError> {
        // The actor of a preview is not stored.
        let (running, split) = match self.open(service, plan, "preview").await? {
            Opening::New { split, .. } => (None, split),
            Opening::Running(rollout) => {
                let split = self.split(service, rollout.stored.generation).await?;
                (Some(rollout.stored.id), split)
            }
        };
        let stages = plan.preview(&split).map_err(Refused::Change)?;
        Ok(StartPreview { running, stages })
    }
}
