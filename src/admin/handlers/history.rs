//! The history of a service, and the restore of an earlier generation.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use crate::admin::extract::{JsonBody, ServicePath, StrictQuery, WriteConditions};
use crate::admin::openapi::{ChangeResponses, ReadProblems};
use crate::admin::problem::ApiError;
use crate::admin::state::{AdminState, change_response};
use crate::api::{HistoryPage, PageParams, RefusalPage, RefusalView, RestoreGeneration};
use crate::routing::Change;

/// The number of refused changes on the first page.
const REFUSED_LIMIT: u32 = 50;

/// Lists the changes of a service, latest first.
///
/// Each change has its actor, its reason, and the split before and after it, with URLs. The first page, which
/// has no `before`, also has the last 50 changes that were refused, with the reason for each refusal. For the
/// next page, send `nextBefore` as `before`. The history of a removed service can still be read.
#[utoipa::path(
    get,
    path = "/deployment/services/{service}/history",
    tag = "deployment",
    params(ServicePath, PageParams),
    security(("bearer" = [])),
    responses((status = OK, description = "the changes", body = HistoryPage), ReadProblems)
)]
pub(in crate::admin) async fn history(
    State(state): State<AdminState>,
    ServicePath(service): ServicePath,
    StrictQuery(params): StrictQuery<PageParams>,
) -> Result<Json<HistoryPage>, ApiError> {
    let limit = params.limit.unwrap_or(PageParams::DEFAULT_LIMIT);
    let entries = state.deployments.history(&service, params.before, limit).await?;
    let is_full = entries.len() == limit as usize;
    let mut page = HistoryPage::new(&service, entries);
    // Generations count from 1, so no page follows the one with generation 1.
    let oldest = page.history.last().map(|entry| entry.generation);
    page.next_before = oldest.filter(|oldest| is_full && *oldest > 1);
    if params.before.is_none() {
        let refused = state.deployments.refusals(&service, None, REFUSED_LIMIT).await?;
        page.refused = Some(refused.into_iter().map(RefusalView::from).collect());
    }
    Ok(Json(page))
}

/// Lists the changes of a service that were refused, latest first.
///
/// The service need not exist. The last 1,000 refused changes of all services together are kept. For the next
/// page, send `nextBefore` as `before`.
#[utoipa::path(
    get,
    path = "/deployment/services/{service}/refusals",
    tag = "deployment",
    params(ServicePath, PageParams),
    security(("bearer" = [])),
    responses((status = OK, description = "the refused changes", body = RefusalPage), ReadProblems)
)]
pub(in crate::admin) async fn refusals(
    State(state): State<AdminState>,
    ServicePath(service): ServicePath,
    StrictQuery(params): StrictQuery<PageParams>,
) -> Result<Json<RefusalPage>, ApiError> {
    let limit = params.limit.unwrap_or(PageParams::DEFAULT_LIMIT);
    let refusals = state.deployments.refusals(&service, params.before, limit).await?;
    let is_full = refusals.len() == limit as usize;
    let oldest = refusals.last().map(|refusal| refusal.id);
    let mut page = RefusalPage::new(&service, refusals);
    page.next_before = oldest.filter(|_| is_full);
    Ok(Json(page))
}

/// Restores an earlier generation: weights, active flags, URLs, the health path and the mirror.
///
/// The versions that were active in that generation must still exist. One that was registered again under its
/// name gets the URL of the earlier one. Versions that were registered later get no traffic. A URL that comes
/// back is checked and probed like a new one. The restore is a change of its own, with a new generation.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/restore",
    tag = "deployment",
    params(ServicePath, WriteConditions),
    request_body = RestoreGeneration,
    security(("bearer" = [])),
    responses(ChangeResponses)
)]
pub(in crate::admin) async fn restore(
    State(state): State<AdminState>,
    ServicePath(service): ServicePath,
    conditions: WriteConditions,
    JsonBody(body): JsonBody<RestoreGeneration>,
) -> Result<Response, ApiError> {
    // `Deployments::apply` looks up the generation by itself. A preview needs its shares.
    let change = if conditions.dry_run {
        state.deployments.restore_change(&service, body.generation).await?
    } else {
        Change::restore(body.generation)
    };
    let result = state.change(&service, change, conditions, body.reason).await?;
    Ok(change_response(StatusCode::OK, result))
}
