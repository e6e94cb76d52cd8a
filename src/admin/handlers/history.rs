//! The history of a service, and the restore of an earlier generation.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use crate::admin::extract::{JsonBody, ServicePath, StrictQuery, WriteConditions};
use crate::admin::openapi::{ChangeResponses, ReadProblems};
use crate::admin::problem::ApiError;
use crate::admin::state::{AdminState, changed};
use crate::api::{HistoryPage, HistoryParams, ProblemKind, RefusalView, RestoreGeneration};
use crate::routing::Change;

/// The number of changes on a page, if the request names no limit.
const DEFAULT_LIMIT: u32 = 50;

/// The largest limit that a request may name.
const MAX_LIMIT: u32 = 200;

/// The number of refused changes on the first page.
const REFUSED_LIMIT: u32 = 50;

/// Lists the changes of a service, latest first.
///
/// Each change has its actor, its reason, and the split before and after it. The first page, which has no
/// `before`, also has the last 50 changes that were refused, with the reason for each refusal. For the next
/// page, send `nextBefore` as `before`.
#[utoipa::path(
    get,
    path = "/deployment/services/{service}/history",
    tag = "deployment",
    params(
        ServicePath,
        ("limit" = Option<u32>, Query, description = "the number of changes, 1 to 200; default: 50"),
        ("before" = Option<u64>, Query, description = "only changes before this generation")
    ),
    security(("bearer" = [])),
    responses((status = OK, description = "the changes", body = HistoryPage), ReadProblems)
)]
pub(in crate::admin) async fn history(
    State(state): State<AdminState>,
    ServicePath(service): ServicePath,
    StrictQuery(params): StrictQuery<HistoryParams>,
) -> Result<Json<HistoryPage>, ApiError> {
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("limit must be 1 to {MAX_LIMIT}");
        return Err(ApiError::new(ProblemKind::MalformedQuery, detail));
    }
    let entries = state.deployments.history(&service, params.before, limit).await?;
    let is_full = entries.len() == limit as usize;
    let mut page = HistoryPage::new(&service, entries);
    // Generations count from 1, so no page follows the one with generation 1.
    let oldest = page.history.last().map(|entry| entry.generation);
    page.next_before = oldest.filter(|oldest| is_full && *oldest > 1);
    if params.before.is_none() {
        let refused = state.deployments.refusals(&service, REFUSED_LIMIT).await?;
        page.refused = Some(refused.into_iter().map(RefusalView::from).collect());
    }
    Ok(Json(page))
}

/// Restores the weights and active flags of an earlier generation.
///
/// The versions that were active in that generation must still exist. Versions that were registered later get
/// no traffic. The URLs stay as they are now. The restore is a change of its own, with a new generation.
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
        Change::Restore { generation: body.generation, shares: Vec::new() }
    };
    let result = state.change(&service, change, conditions, body.reason).await?;
    Ok(changed(StatusCode::OK, result))
}
