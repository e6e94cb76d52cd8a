//! Wire types of rollouts.

mod details;
mod evidence;
mod list;
mod params;
#[cfg(feature = "admin")]
mod plan_schema;
mod preview;
mod start;
mod summary;

pub use self::details::{
    RolloutDetails, RolloutEventView, RolloutGateView, RolloutLeaderView, RolloutReplicaView,
    RolloutStageView,
};
pub use self::evidence::{RolloutMeasureView, RolloutRequestsView, RolloutTallyView, RolloutTotalsView};
pub use self::list::{RolloutList, RolloutPage};
pub use self::params::{AbortParams, StartParams};
#[cfg(feature = "admin")]
pub(crate) use self::plan_schema::{PlanSchema, StartAnswerSchema};
pub use self::preview::{RolloutEndPreview, RolloutPreview, RolloutStagePreview};
pub use self::start::{StartRollout, StepOrder};
pub use self::summary::{RolloutPauseView, RolloutReturnView, RolloutSummary, RolloutVerdictView};
