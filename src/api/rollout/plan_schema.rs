//! The schema of the body that starts a rollout, for the OpenAPI document. Nothing of this type is ever created: the plan
//! reads itself, and names the place of a mistake by a JSON pointer.
//!
//! A schema cannot state that weights rise, that a deadline is after its hold, and which gates the gateway has.

#![expect(dead_code, reason = "the fields are read by the derive of the schema alone")]

use utoipa::ToSchema;

use super::preview::RolloutPreview;
use super::summary::RolloutSummary;
use crate::api::reason::ChangeReason;

/// Starts a rollout by a plan. Every field but `version` has a default.
#[derive(ToSchema)]
#[schema(as = StartRollout)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PlanSchema {
    /// The name of the canary.
    #[schema(example = "v1.1")]
    version: String,
    /// The form: rising steps, or all traffic at once. Default: `canary`.
    #[schema(required = false)]
    form: PlanForm,
    /// 1 to 20 rising weights below 100. Default: 5, 10, 25 and 50.
    #[schema(required = false, min_items = 1, max_items = 20, example = json!([5, 25, {"weight": 50, "hold": "10m", "gates": ["approval"]}]))]
    steps: Vec<PlanStep>,
    /// The time that each step must be watched. Default: `5m`.
    #[schema(required = false, example = "5m")]
    hold: String,
    /// The last watch before the canary gets all traffic. Only for a plan that ends with a promotion.
    #[schema(required = false)]
    bake: PlanBake,
    /// The end. Default: `promote`.
    #[schema(required = false)]
    then: PlanEnd,
    /// The gates that must be open before the first step. Default: none.
    #[schema(required = false, max_items = 10, example = json!(["approval"]))]
    start_gates: Vec<String>,
    /// The windows of time in which a step may begin, each with weekdays, times and the offset from UTC. Default: always.
    #[schema(required = false, max_items = 20, example = json!(["mon-fri 08:00-16:00 +01:00"]))]
    windows: Vec<String>,
    /// The way back to the weights of the start. Default: at once.
    #[schema(required = false)]
    back: PlanBack,
    /// The time by which each step must have passed. Default: ten times its hold, at least `1h`.
    #[schema(required = false, example = "2h")]
    deadline: String,
    /// What the guard compares, and how sure it must be.
    #[schema(required = false)]
    guard: PlanGuard,
    /// Why the rollout is started.
    reason: Option<ChangeReason>,
}

/// The form of a rollout.
#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
enum PlanForm {
    /// The weight rises in steps.
    Canary,
    /// The weight rises from 0 to 100 in one step, and the bake follows.
    BlueGreen,
}

/// The end of a rollout after its last step.
#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
enum PlanEnd {
    /// The canary gets all traffic.
    Promote,
    /// The weights of the start return.
    Return,
    /// The weights of the last step stay.
    Stay,
}

/// A step: a weight in percent, or an object.
#[derive(ToSchema)]
#[serde(untagged)]
enum PlanStep {
    /// The weight alone.
    Weight(f64),
    /// The weight with more.
    Whole(PlanWholeStep),
}

/// A step with more than a weight.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct PlanWholeStep {
    /// The weight of the canary in percent: above 0, or 0 in a first step with `mirror`.
    #[schema(minimum = 0, exclusive_maximum = 100, example = 50)]
    weight: f64,
    /// The time that it must be watched. Default: the hold of the plan.
    #[schema(required = false, example = "10m")]
    hold: String,
    /// The time by which it must have passed. Default: the deadline of the plan.
    #[schema(required = false, example = "2h")]
    deadline: String,
    /// The gates that must be open before the next step. Default: none.
    #[schema(required = false, max_items = 10, example = json!(["approval"]))]
    gates: Vec<String>,
    /// The share of requests in percent that are copied to the canary: only in a first step at weight 0.
    #[schema(required = false, exclusive_minimum = 0, maximum = 100)]
    mirror: f64,
}

/// The last watch before the canary gets all traffic.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct PlanBake {
    /// The time that must be watched. Default: `10m`.
    #[schema(required = false, example = "10m")]
    hold: String,
    /// The weight in percent that the other versions keep meanwhile. Default: 5; 0 for `blue-green`.
    #[schema(required = false, minimum = 0, maximum = 100, example = 5)]
    keep: f64,
    /// The gates that must be open before the canary gets all traffic. Default: none.
    #[schema(required = false, max_items = 10, example = json!(["approval"]))]
    gates: Vec<String>,
}

/// The way back to the weights of the start.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct PlanBack {
    /// At most 20 falling weights of the canary on the way, in percent. Default: none.
    #[schema(required = false, max_items = 20, example = json!([20, 5]))]
    steps: Vec<f64>,
    /// The time between two of them. Default: `30s`.
    #[schema(required = false, example = "30s")]
    hold: String,
}

/// What the guard compares, and how sure it must be.
#[derive(ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PlanGuard {
    /// How failed requests are compared. `null`: not at all.
    errors: Option<PlanErrors>,
    /// How latencies are compared. `null`: not at all.
    latency: Option<PlanLatency>,
    /// The largest chance that a canary that is no worse is taken back. Default: 0.001.
    #[schema(required = false, minimum = 0.000001, maximum = 0.1, example = 0.001)]
    false_rollbacks: f64,
    /// The requests of the canary that a step needs. Default: 200.
    #[schema(required = false, minimum = 0, maximum = 1_000_000_000, example = 200)]
    least_requests: u64,
    /// The windows of ten seconds with requests of both sides that a step needs. Default: 12.
    #[schema(required = false, minimum = 0, maximum = 100_000, example = 12)]
    least_windows: u64,
    /// The next step waits while more than this percentage of the other versions' requests failed in the last minute.
    /// Default: 5.
    #[schema(required = false, minimum = 0, maximum = 100, example = 5)]
    calm: f64,
    /// The reaction to evidence against the canary, or to a gate that failed. Default: `return`.
    #[schema(required = false)]
    when_failed: PlanWhenFailed,
    /// The reaction to a step that has not passed at its deadline. Default: `pause`.
    #[schema(required = false)]
    when_inconclusive: PlanWhenInconclusive,
}

/// How failed requests are compared.
#[derive(ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PlanErrors {
    /// Tolerated difference in percentage points. Default: 0.1.
    #[schema(required = false, minimum = 0.05, maximum = 100, example = 0.1)]
    worse_by: f64,
    /// Tolerated factor. Default: 1.
    #[schema(required = false, minimum = 1, maximum = 100, example = 1)]
    times_worse: f64,
    /// The highest rate of failures in percent, unless the others are no better. `null`: no limit.
    #[schema(minimum = 0.05, maximum = 100, example = 1)]
    limit: Option<f64>,
}

/// How latencies are compared.
#[derive(ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PlanLatency {
    /// Tolerated factor. Default: 1.3.
    #[schema(required = false, minimum = 1.1, maximum = 100, example = 1.3)]
    times_worse: f64,
    /// A difference that never counts as slower. Default: `5ms`.
    #[schema(required = false, example = "5ms")]
    at_least: String,
    /// The highest 99th percentile of the canary, unless the others are no better. `null`: no limit.
    #[schema(example = "300ms")]
    limit: Option<String>,
}

/// The reaction to evidence against the canary.
#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
enum PlanWhenFailed {
    /// Go back to the weights of the start.
    Return,
    /// Keep the weights, and wait for a person.
    Pause,
    /// Record an event, and continue.
    Tell,
}

/// The reaction to a step that has not passed at its deadline.
#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
enum PlanWhenInconclusive {
    /// Keep the weights, and wait for a person.
    Pause,
    /// Continue with the next step.
    Advance,
    /// Go back to the weights of the start.
    Return,
}

/// The rollout by the same plan that is under way, or, after a dry run, what the plan would do.
#[derive(ToSchema)]
#[schema(as = StartAnswer)]
#[serde(untagged)]
pub(crate) enum StartAnswerSchema {
    /// The rollout.
    Running(RolloutSummary),
    /// What the plan would do.
    Preview(RolloutPreview),
}
