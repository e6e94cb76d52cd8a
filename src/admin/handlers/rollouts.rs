//! Rollouts: start, lists, and one rollout with its stream of events.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use http::header::{HeaderMap, LOCATION};
use http::{HeaderValue, StatusCode, Uri};

use super::events;
use super::rollout_query::{LiveRolloutEvents, RolloutEvents, details, live_list, summary};
use crate::admin::extract::{NoParams, Sender, ServicePath, StrictQuery};
use crate::admin::openapi::{ReadProblems, WriteProblems};
use crate::admin::principal::{Principal, Scope};
use crate::admin::problem::ApiError;
use crate::admin::rollout_extract::{MountedRollouts, PlanBody, RolloutPath};
use crate::admin::state::AdminState;
use crate::api::{
    PageParams, PlanSchema, RolloutDetails, RolloutList, RolloutPage, RolloutPreview, RolloutSummary,
    StartAnswerSchema, StartParams, StartRollout,
};
use crate::rollout::{RolloutActor, Rollouts, Started};
use crate::routing::ServiceName;
use crate::store::ActorKind;

/// Starts a rollout of a service by a plan.
///
/// The weights change with the next tick of the gateway that leads it, within seconds. The same plan while it is under way
/// is the same rollout: the response is 200 and shows it. With `dryRun` the response shows the weights of each stage and
/// the users who would get another version, and is refused for the same reasons.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/rollouts",
    tag = "rollout",
    params(ServicePath, StartParams),
    request_body = PlanSchema,
    security(("bearer" = [])),
    responses(
        (status = CREATED, description = "the rollout began", body = RolloutSummary, headers(("Location" = String, description = "the path of the rollout"))),
        (status = OK, description = "the rollout by this plan that is under way, or what the plan would do", body = StartAnswerSchema),
        WriteProblems
    )
)]
pub(in crate::admin) async fn start_rollout(
    MountedRollouts(rollouts): MountedRollouts,
    OriginalUri(uri): OriginalUri,
    ServicePath(service): ServicePath,
    StrictQuery(params): StrictQuery<StartParams>,
    Sender(sender): Sender,
    PlanBody(body): PlanBody,
) -> Result<Response, ApiError> {
    if params.dry_run {
        let preview = rollouts.preview(&service, &body.plan).await?;
        return Ok(Json(RolloutPreview::new(&service, body.plan, preview)).into_response());
    }
    // `access` has decided the same by the text of the query. Here it is decided by the value that is used.
    if !sender.may(Scope::Write) {
        return Err(ApiError::insufficient_scope(Scope::Write));
    }
    start(&rollouts, &uri, &service, body, &sender).await
}

/// Starts a rollout, and shows it with 201. The rollout by the same plan that is under way is shown with 200.
async fn start(
    rollouts: &Rollouts,
    uri: &Uri,
    service: &ServiceName,
    body: StartRollout,
    sender: &Principal,
) -> Result<Response, ApiError> {
    let actor = RolloutActor::new(sender.subject())
        .with_kind(ActorKind::Person)
        .with_reason(body.reason.map(String::from));
    let rollout = match rollouts.start(service, body.plan, actor).await? {
        Started::New(rollout) => rollout,
        Started::Running(rollout) => return Ok(Json(summary(rollouts, &rollout)).into_response()),
    };
    let mut response = (StatusCode::CREATED, Json(summary(rollouts, &rollout))).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("{}/{}", uri.path(), rollout.stored.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Lists the rollouts of a service, latest first.
///
/// The service need not exist. The last 50 rollouts of a service that are over are kept. For the next page, send
/// `nextBefore` as `before`.
#[utoipa::path(
    get,
    path = "/deployment/services/{service}/rollouts",
    tag = "rollout",
    params(ServicePath, PageParams),
    security(("bearer" = [])),
    responses((status = OK, description = "the rollouts", body = RolloutPage), ReadProblems)
)]
pub(in crate::admin) async fn list_rollouts(
    MountedRollouts(rollouts): MountedRollouts,
    ServicePath(service): ServicePath,
    StrictQuery(params): StrictQuery<PageParams>,
) -> Result<Json<RolloutPage>, ApiError> {
    let limit = params.limit.unwrap_or(PageParams::DEFAULT_LIMIT);
    let (page, next_before) = rollouts.list(&service, params.before, limit).await?;
    let summaries = page.iter().map(|rollout| summary(&rollouts, rollout)).collect();
    Ok(Json(RolloutPage::new(service.as_str(), summaries, next_before)))
}

/// Shows a rollout: its phase, its stage, its gates, the evidence against the canary and its events.
///
/// `current` in the place of the id is the rollout that is under way. With `Accept: text/event-stream` the same is sent
/// every two seconds as an event `rollout`, for five minutes. Then the client sends the request again. The stream ends after
/// the event that shows the end of the rollout.
#[utoipa::path(
    get,
    path = "/deployment/services/{service}/rollouts/{rollout}",
    tag = "rollout",
    params(RolloutPath),
    security(("bearer" = [])),
    responses(
        (status = OK, description = "the rollout", content((RolloutDetails = "application/json"), (String = "text/event-stream"))),
        ReadProblems
    )
)]
pub(in crate::admin) async fn rollout(
    MountedRollouts(rollouts): MountedRollouts,
    State(state): State<AdminState>,
    RolloutPath { service, id }: RolloutPath,
    StrictQuery(NoParams {}): StrictQuery<NoParams>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // Also before a stream, so that an unknown id is a problem and not an empty stream.
    let found = rollouts.find(&service, id.as_deref()).await?;
    if events::are_accepted(&headers) {
        let source = RolloutEvents::new(rollouts, service, found.stored.id);
        return Ok(events::stream(state.deployments, source));
    }
    Ok(Json(details(&rollouts, &found).await?).into_response())
}

/// Lists the rollouts of all services that are under way.
///
/// With `Accept: text/event-stream` the same is sent every two seconds as an event `rollouts`, for five minutes. Then the
/// client sends the request again.
#[utoipa::path(
    get,
    path = "/deployment/rollouts",
    tag = "rollout",
    security(("bearer" = [])),
    responses(
        (status = OK, description = "the rollouts", content((RolloutList = "application/json"), (String = "text/event-stream"))),
        ReadProblems
    )
)]
pub(in crate::admin) async fn live_rollouts(
    MountedRollouts(rollouts): MountedRollouts,
    State(state): State<AdminState>,
    StrictQuery(NoParams {}): StrictQuery<NoParams>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let list = live_list(&rollouts).await?;
    if events::are_accepted(&headers) {
        return Ok(events::stream(state.deployments, LiveRolloutEvents(rollouts)));
    }
    Ok(Json(list).into_response())
}
