//! Orders about rollouts.
//!
//! All of them are decided by the state machine of the rollout, within one write of the store.

use axum::Json;

use super::rollout_query::summary;
use crate::admin::extract::{JsonBody, NoParams, StrictQuery};
use crate::admin::openapi::WriteProblems;
use crate::admin::principal::Principal;
use crate::admin::problem::ApiError;
use crate::admin::rollout_extract::{MountedRollouts, RolloutPath, Writer};
use crate::api::{AbortParams, ChangeReason, PlainChange, RolloutSummary, StepOrder};
use crate::rollout::{Order, Rollouts, Verb};

/// Opens the approval gate of a stage.
///
/// The step names the stage that the sender has seen. If another one is present meanwhile, the order is refused. An approval
/// that was given already changes nothing.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/rollouts/{rollout}/approve",
    tag = "rollout",
    params(RolloutPath),
    request_body = StepOrder,
    security(("bearer" = [])),
    responses((status = OK, description = "the rollout after the order", body = RolloutSummary), WriteProblems)
)]
pub(in crate::admin) async fn approve(
    MountedRollouts(rollouts): MountedRollouts,
    path: RolloutPath,
    StrictQuery(NoParams {}): StrictQuery<NoParams>,
    Writer(sender): Writer,
    JsonBody(body): JsonBody<StepOrder>,
) -> Result<Json<RolloutSummary>, ApiError> {
    let verb = Verb::Approve { number: body.step as usize };
    carry_out(&rollouts, path, verb, &sender, body.reason).await
}

/// Continues with the next stage, as if the present one had passed and its gates were open.
///
/// The step names the stage that the sender has seen. If another one is present meanwhile, the order is refused. Windows of
/// time do not bind it. A canary without traffic is probed first.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/rollouts/{rollout}/advance",
    tag = "rollout",
    params(RolloutPath),
    request_body = StepOrder,
    security(("bearer" = [])),
    responses((status = OK, description = "the rollout after the order", body = RolloutSummary), WriteProblems)
)]
pub(in crate::admin) async fn advance(
    MountedRollouts(rollouts): MountedRollouts,
    path: RolloutPath,
    StrictQuery(NoParams {}): StrictQuery<NoParams>,
    Writer(sender): Writer,
    JsonBody(body): JsonBody<StepOrder>,
) -> Result<Json<RolloutSummary>, ApiError> {
    let verb = Verb::Advance { number: body.step as usize };
    carry_out(&rollouts, path, verb, &sender, body.reason).await
}

/// Keeps the weights until somebody resumes or aborts the rollout.
///
/// The guard judges meanwhile. A rollout that pauses already stays as it is.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/rollouts/{rollout}/pause",
    tag = "rollout",
    params(RolloutPath),
    request_body = Option<PlainChange>,
    security(("bearer" = [])),
    responses((status = OK, description = "the rollout after the order", body = RolloutSummary), WriteProblems)
)]
pub(in crate::admin) async fn pause(
    MountedRollouts(rollouts): MountedRollouts,
    path: RolloutPath,
    StrictQuery(NoParams {}): StrictQuery<NoParams>,
    Writer(sender): Writer,
    JsonBody(body): JsonBody<PlainChange>,
) -> Result<Json<RolloutSummary>, ApiError> {
    carry_out(&rollouts, path, Verb::Pause, &sender, body.reason).await
}

/// Continues a rollout that pauses.
///
/// A stage that was inconclusive counts as passed. One that failed or whose URLs were replaced begins again, without the
/// evidence so far. After a change of weights by somebody else, the weight of the stage returns. A rollout that does not
/// pause continues anyway.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/rollouts/{rollout}/resume",
    tag = "rollout",
    params(RolloutPath),
    request_body = Option<PlainChange>,
    security(("bearer" = [])),
    responses((status = OK, description = "the rollout after the order", body = RolloutSummary), WriteProblems)
)]
pub(in crate::admin) async fn resume(
    MountedRollouts(rollouts): MountedRollouts,
    path: RolloutPath,
    StrictQuery(NoParams {}): StrictQuery<NoParams>,
    Writer(sender): Writer,
    JsonBody(body): JsonBody<PlainChange>,
) -> Result<Json<RolloutSummary>, ApiError> {
    carry_out(&rollouts, path, Verb::Resume, &sender, body.reason).await
}

/// Goes to the bake at once.
///
/// It is refused if the plan ends without a promotion.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/rollouts/{rollout}/promote",
    tag = "rollout",
    params(RolloutPath),
    request_body = Option<PlainChange>,
    security(("bearer" = [])),
    responses((status = OK, description = "the rollout after the order", body = RolloutSummary), WriteProblems)
)]
pub(in crate::admin) async fn promote(
    MountedRollouts(rollouts): MountedRollouts,
    path: RolloutPath,
    StrictQuery(NoParams {}): StrictQuery<NoParams>,
    Writer(sender): Writer,
    JsonBody(body): JsonBody<PlainChange>,
) -> Result<Json<RolloutSummary>, ApiError> {
    carry_out(&rollouts, path, Verb::Promote, &sender, body.reason).await
}

/// Goes back to the weights of the start at once, and ends the rollout.
///
/// Versions without traffic that get some again are probed first. While they are not usable, the rollout is `returning`, and
/// the gateway that leads it tries again. With `force` it goes back without a probe.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/rollouts/{rollout}/abort",
    tag = "rollout",
    params(RolloutPath, AbortParams),
    request_body = Option<PlainChange>,
    security(("bearer" = [])),
    responses((status = OK, description = "the rollout after the order", body = RolloutSummary), WriteProblems)
)]
pub(in crate::admin) async fn abort(
    MountedRollouts(rollouts): MountedRollouts,
    path: RolloutPath,
    StrictQuery(AbortParams { force }): StrictQuery<AbortParams>,
    Writer(sender): Writer,
    JsonBody(body): JsonBody<PlainChange>,
) -> Result<Json<RolloutSummary>, ApiError> {
    carry_out(&rollouts, path, Verb::Abort { force }, &sender, body.reason).await
}

/// Carries out an order, and shows the rollout after it.
async fn carry_out(
    rollouts: &Rollouts,
    path: RolloutPath,
    verb: Verb,
    sender: &Principal,
    reason: Option<ChangeReason>,
) -> Result<Json<RolloutSummary>, ApiError> {
    let order = Order::new(verb, sender.subject());
    let order = match reason {
        Some(reason) => order.with_reason(reason),
        None => order,
    };
    let rollout = rollouts.order(&path.service, path.id.as_deref(), order).await?;
    Ok(Json(summary(rollouts, &rollout)))
}
