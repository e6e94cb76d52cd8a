//! What a rollout would do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::details::RolloutStageView;
use crate::api::change_result::UserMove;
use crate::api::percent::Percent;
use crate::api::replicas::milliseconds;
use crate::rollout::{Plan, StagePreview, StartPreview};
use crate::routing::{Preview, ServiceName};

/// What a rollout would do: the response of `POST /deployment/services/{service}/rollouts?dryRun=true`.
///
/// ```
/// use tower_canary::api::RolloutPreview;
///
/// /// Returns the weights of the canary, one for each stage.
/// fn weights(preview: &RolloutPreview) -> Vec<String> {
///     preview.stages.iter().map(|stage| stage.stage.weight.to_string()).collect()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutPreview {
    /// Always `true`: nothing was written.
    #[cfg_attr(feature = "admin", schema(example = true))]
    pub dry_run: bool,
    /// The name of the service.
    #[cfg_attr(feature = "admin", schema(example = "checkout"))]
    pub service: String,
    /// The name of the canary.
    #[cfg_attr(feature = "admin", schema(example = "v2.4.0"))]
    pub version: String,
    /// The id of the rollout by the same plan that is under way, which a start returns. `null`: a start begins one.
    pub running: Option<String>,
    /// The plan with its defaults.
    #[cfg_attr(feature = "admin", schema(value_type = Object))]
    pub plan: Plan,
    /// The stages: the steps, then the bake if the plan has one.
    pub stages: Vec<RolloutStagePreview>,
    /// The end with all traffic for the canary. `null`: the plan ends without it.
    pub end: Option<RolloutEndPreview>,
    /// The shortest time that the rollout can take, in milliseconds: all holds, each at least as long as the least windows of
    /// the guard. The waits for windows of time and gates are not in it.
    pub shortest_ms: u64,
    /// The time at which all deadlines have passed, in milliseconds. The waits for windows of time and gates are not in it.
    pub longest_ms: u64,
}

/// What a stage would do.
///
/// See [`RolloutPreview`] for an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutStagePreview {
    /// The stage. In JSON its fields stand beside the others.
    #[serde(flatten)]
    pub stage: RolloutStageView,
    /// The weights of all versions in this stage.
    #[cfg_attr(feature = "admin", schema(example = json!({"v2.3.1": 95, "v2.4.0": 5})))]
    pub weights: BTreeMap<String, Percent>,
    /// The users with a key who would get another version than in the stage before, largest group first.
    pub moves: Vec<UserMove>,
}

/// What the promotion at the end would do.
///
/// See [`RolloutPreview`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutEndPreview {
    /// The weight of the canary.
    pub weight: Percent,
    /// The weights of all versions.
    #[cfg_attr(feature = "admin", schema(example = json!({"v2.3.1": 0, "v2.4.0": 100})))]
    pub weights: BTreeMap<String, Percent>,
    /// The users with a key who would get another version than in the last stage, largest group first.
    pub moves: Vec<UserMove>,
}

impl RolloutPreview {
    /// Shows what a start of a rollout of `service` by `plan` would do.
    #[must_use]
    pub fn new(service: &ServiceName, plan: Plan, preview: StartPreview) -> Self {
        let (shortest, longest) = plan.durations();
        let stages = RolloutStageView::all(&plan);
        // The promotion follows the stages.
        let end = preview.stages.get(stages.len()).map(RolloutEndPreview::from);
        let stages = stages.into_iter().zip(preview.stages).map(|(stage, effect)| RolloutStagePreview {
            stage,
            weights: weights(&effect.preview),
            moves: moves(&effect.preview),
        });
        Self {
            dry_run: true,
            service: service.to_string(),
            version: plan.version().to_string(),
            running: preview.running,
            stages: stages.collect(),
            end,
            shortest_ms: milliseconds(shortest),
            longest_ms: milliseconds(longest),
            plan,
        }
    }
}

impl From<&StagePreview> for RolloutEndPreview {
    fn from(stage: &StagePreview) -> Self {
        Self { weight: stage.weight.into(), weights: weights(&stage.preview), moves: moves(&stage.preview) }
    }
}

/// Returns the weights after the change, by version.
fn weights(preview: &Preview) -> BTreeMap<String, Percent> {
    let versions = preview.after.versions().iter();
    versions.map(|version| (version.name.to_string(), version.weight.into())).collect()
}

/// Returns which users with a key get another version.
fn moves(preview: &Preview) -> Vec<UserMove> {
    preview.moves.iter().map(UserMove::from).collect()
}
