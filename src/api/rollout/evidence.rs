//! What the guard of a rollout has seen.

use serde::{Deserialize, Serialize};

use crate::api::figures::rounded;
use crate::rollout::{Measure, Odds, RolloutView, Tally, Totals};

/// The evidence against the canary by one measure.
///
/// ```
/// use tower_canary::api::RolloutMeasureView;
///
/// let json = r#"{"measure": "errors", "odds": "1 : 40", "log10": -1.602, "needed": "1111 : 1", "neededLog10": 3.046}"#;
/// let errors: RolloutMeasureView = serde_json::from_str(json)?;
/// assert!(errors.log10 < Some(errors.needed_log10)); // it does not fail
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutMeasureView {
    /// The measure: `errors`, `latency`, `error-limit` or `latency-limit`.
    #[cfg_attr(feature = "admin", schema(example = "errors"))]
    pub measure: String,
    /// The odds that the canary is worse. Below one they speak for it.
    #[cfg_attr(feature = "admin", schema(example = "1 : 40"))]
    pub odds: String,
    /// The decimal logarithm of the odds. `null`: there is no evidence yet.
    pub log10: Option<f64>,
    /// The odds at which the canary fails.
    #[cfg_attr(feature = "admin", schema(example = "1111 : 1"))]
    pub needed: String,
    /// The decimal logarithm of the odds at which the canary fails.
    pub needed_log10: f64,
}

/// The requests that were compared, over all gateways.
///
/// See [`RolloutDetails`](super::RolloutDetails).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutRequestsView {
    /// Those of the present stage.
    pub step: RolloutTotalsView,
    /// Those of all stages.
    pub whole: RolloutTotalsView,
    /// The number of requests of the canary that a stage needs.
    pub least_requests: u64,
    /// The number of windows of ten seconds that a stage needs.
    pub least_windows: u64,
}

/// Requests of both sides.
///
/// See [`RolloutDetails`](super::RolloutDetails).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutTotalsView {
    /// Those of the canary.
    pub canary: RolloutTallyView,
    /// Those of the other versions.
    pub stable: RolloutTallyView,
    /// The number of windows of ten seconds in which both sides had requests, or the canary alone where the others have no
    /// weight.
    pub windows: u64,
}

/// Requests, and the bad ones among them.
///
/// See [`RolloutDetails`](super::RolloutDetails).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutTallyView {
    /// The number of requests.
    pub requests: u64,
    /// The number of those with a 5xx response, without a response, or whose client left before the response head.
    pub bad: u64,
}

impl RolloutMeasureView {
    /// Shows the measures of the plan.
    pub(super) fn all(rollout: &RolloutView) -> Vec<Self> {
        let guard = rollout.guard();
        let measures = guard.measures().iter();
        measures
            .map(|measure| {
                Self::new(*measure, guard.odds(&rollout.evidence, *measure), guard.needed(*measure))
            })
            .collect()
    }

    fn new(measure: Measure, odds: Odds, needed: Odds) -> Self {
        Self {
            measure: measure.as_str().to_owned(),
            odds: odds.to_string(),
            log10: Some(rounded(odds.log10())).filter(|log10| log10.is_finite()),
            needed: needed.to_string(),
            needed_log10: rounded(needed.log10()),
        }
    }
}

impl RolloutRequestsView {
    pub(super) fn new(rollout: &RolloutView) -> Self {
        let policy = rollout.plan.guard();
        Self {
            step: rollout.evidence.step_totals().into(),
            whole: rollout.evidence.totals().into(),
            least_requests: policy.least_requests,
            least_windows: policy.least_windows,
        }
    }
}

impl From<Totals> for RolloutTotalsView {
    fn from(totals: Totals) -> Self {
        Self { canary: totals.canary.into(), stable: totals.stable.into(), windows: totals.windows }
    }
}

impl From<Tally> for RolloutTallyView {
    fn from(tally: Tally) -> Self {
        Self { requests: tally.requests, bad: tally.bad }
    }
}
