//! Writes a plan as JSON, with all its fields.

use serde::{Serialize, Serializer};

use super::end::{Form, Then, WhenFailed, WhenInconclusive};
use super::gate::GateName;
use super::guard_policy::{ErrorPolicy, GuardPolicy, LatencyPolicy};
use super::plan::Plan;
use super::span;
use super::step::{Back, Bake, Step};
use super::time_window::TimeWindow;
use crate::routing::{VersionName, Weight};

/// A plan in the form in which [`read`](super::read) reads it. Defaults are written too, so the text is the
/// plan for a release with other defaults.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlanFields<'a> {
    version: &'a VersionName,
    form: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<StepFields<'a>>,
    hold: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bake: Option<BakeFields<'a>>,
    then: &'static str,
    start_gates: &'a [GateName],
    windows: Vec<&'a str>,
    back: BackFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    guard: PolicyFields,
}

/// A step: its weight alone, or an object if it has more.
#[derive(Serialize)]
#[serde(untagged)]
enum StepFields<'a> {
    Weight(Weight),
    Step(WholeStepFields<'a>),
}

/// A step with fields of its own.
#[derive(Serialize)]
struct WholeStepFields<'a> {
    weight: Weight,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    gates: &'a [GateName],
    #[serde(skip_serializing_if = "Option::is_none")]
    mirror: Option<Weight>,
}

/// The bake of a promotion.
#[derive(Serialize)]
struct BakeFields<'a> {
    hold: String,
    keep: Weight,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    gates: &'a [GateName],
}

/// The way back.
#[derive(Serialize)]
struct BackFields<'a> {
    steps: &'a [Weight],
    hold: String,
}

/// The policy of the guard.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyFields {
    errors: Option<ErrorFields>,
    latency: Option<LatencyFields>,
    false_rollbacks: f64,
    least_requests: u64,
    least_windows: u64,
    calm: Weight,
    when_failed: &'static str,
    when_inconclusive: &'static str,
}

/// When the canary fails too often.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorFields {
    worse_by: f64,
    times_worse: f64,
    limit: Option<f64>,
}

/// When the canary is too slow.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LatencyFields {
    times_worse: f64,
    at_least: String,
    limit: Option<String>,
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PlanFields::from(self).serialize(serializer)
    }
}

impl<'a> From<&'a Plan> for PlanFields<'a> {
    fn from(plan: &'a Plan) -> Self {
        Self {
            version: &plan.version,
            form: Form::as_str(plan.form),
            steps: plan.steps.iter().map(StepFields::from).collect(),
            hold: span::text(plan.hold),
            bake: plan.bake.as_ref().map(BakeFields::from),
            then: Then::as_str(plan.then),
            start_gates: &plan.start_gates,
            windows: plan.windows.iter().map(TimeWindow::as_str).collect(),
            back: BackFields::from(&plan.back),
            deadline: plan.deadline.map(span::text),
            guard: PolicyFields::from(&plan.guard),
        }
    }
}

impl<'a> From<&'a Step> for StepFields<'a> {
    fn from(step: &'a Step) -> Self {
        let Step { weight, hold, deadline, gates, mirror } = step;
        if hold.is_none() && deadline.is_none() && gates.is_empty() && mirror.is_none() {
            return Self::Weight(*weight);
        }
        Self::Step(WholeStepFields {
            weight: *weight,
            hold: hold.map(span::text),
            deadline: deadline.map(span::text),
            gates,
            mirror: *mirror,
        })
    }
}

impl<'a> From<&'a Bake> for BakeFields<'a> {
    fn from(bake: &'a Bake) -> Self {
        Self { hold: span::text(bake.hold), keep: bake.keep, gates: &bake.gates }
    }
}

impl<'a> From<&'a Back> for BackFields<'a> {
    fn from(back: &'a Back) -> Self {
        Self { steps: &back.steps, hold: span::text(back.hold) }
    }
}

impl From<&GuardPolicy> for PolicyFields {
    fn from(policy: &GuardPolicy) -> Self {
        Self {
            errors: policy.errors.as_ref().map(ErrorFields::from),
            latency: policy.latency.as_ref().map(LatencyFields::from),
            false_rollbacks: policy.false_rollbacks,
            least_requests: policy.least_requests,
            least_windows: policy.least_windows,
            calm: policy.calm,
            when_failed: WhenFailed::as_str(policy.when_failed),
            when_inconclusive: WhenInconclusive::as_str(policy.when_inconclusive),
        }
    }
}

impl From<&ErrorPolicy> for ErrorFields {
    fn from(policy: &ErrorPolicy) -> Self {
        Self { worse_by: policy.worse_by, times_worse: policy.times_worse, limit: policy.limit }
    }
}

impl From<&LatencyPolicy> for LatencyFields {
    fn from(policy: &LatencyPolicy) -> Self {
        Self {
            times_worse: policy.times_worse,
            at_least: span::text(policy.at_least),
            limit: policy.limit.map(span::text),
        }
    }
}
