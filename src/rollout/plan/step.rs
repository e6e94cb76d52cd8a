//! The steps of a plan, forward and back.

use std::time::Duration;

use super::gate::GateName;
use crate::routing::Weight;

/// A step as the plan names it. See [`Plan`](super::Plan) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The weight of the canary.
    pub weight: Weight,
    /// The time that must be watched at this weight. `None`: the hold of the plan.
    pub hold: Option<Duration>,
    /// The time by which the step must have passed: see [time](crate::rollout::State#time). `None`: the deadline of
    /// the plan, or else ten times the hold, at least an hour.
    pub deadline: Option<Duration>,
    /// The gates that must be open before the next step.
    pub gates: Vec<GateName>,
    /// The share of requests that are copied to the canary: only in a first step at weight 0.
    pub mirror: Option<Weight>,
}

impl Step {
    /// Creates a step that has no more than a weight.
    pub(super) const fn new(weight: Weight) -> Self {
        Self { weight, hold: None, deadline: None, gates: Vec::new(), mirror: None }
    }
}

/// The last watch before the canary gets all traffic. See [`Plan`](super::Plan) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bake {
    /// The time that must be watched.
    pub hold: Duration,
    /// The weight that the other versions keep meanwhile, so that the guard has something to compare with. At 0, only limits
    /// can fail the canary.
    pub keep: Weight,
    /// The gates that must be open before the canary gets all traffic.
    pub gates: Vec<GateName>,
}

/// The way back to the weights of the start. See [`Plan`](super::Plan) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Back {
    /// Weights of the canary on the way, falling. Those above its present weight are left out. Empty: back at once.
    pub steps: Vec<Weight>,
    /// The time between two of them, and between the last one and the weights of the start.
    pub hold: Duration,
}

/// A step with its defaults filled in, or the bake.
///
/// ```
/// use std::time::Duration;
/// use tower_canary::Weight;
/// use tower_canary::rollout::Plan;
///
/// let plan: Plan = r#"{"version": "v1.1", "steps": [5, {"weight": 25, "hold": "10m"}]}"#.parse()?;
/// let stages: Vec<_> = (1..=plan.stages()).filter_map(|number| plan.stage(number)).collect();
/// let weights: Vec<f64> = stages.iter().map(|stage| stage.weight.percent()).collect();
/// assert_eq!(weights, [5.0, 25.0, 95.0]);
/// assert_eq!((stages[1].hold, stages[2].is_bake), (Duration::from_secs(600), true));
/// # Ok::<(), tower_canary::rollout::InvalidPlan>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stage<'a> {
    /// The weight of the canary.
    pub weight: Weight,
    /// The time that must be watched at this weight.
    pub hold: Duration,
    /// The time by which the stage must have passed: see [time](crate::rollout::State#time).
    pub deadline: Duration,
    /// The gates that must be open before the next stage.
    pub gates: &'a [GateName],
    /// The share of requests that are copied to the canary. 0: none.
    pub mirror: Weight,
    /// Whether this is the bake.
    pub is_bake: bool,
}

impl Stage<'_> {
    /// Returns whether the other versions have no weight, so that the guard has nothing to compare with.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.weight == Weight::FULL
    }
}
