//! One service: its health path and its removal.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use crate::admin::extract::{JsonBody, ServicePath, WriteConditions};
use crate::admin::openapi::ChangeResponses;
use crate::admin::problem::ApiError;
use crate::admin::state::{AdminState, change_response};
use crate::api::{PlainChange, UpdateService};
use crate::routing::Change;

/// Sets the path of health probes.
///
/// It is the path below the base URL of each version. With `null` the base URL itself is probed. Nothing is
/// probed by this request.
#[utoipa::path(
    put,
    path = "/routing/services/{service}",
    tag = "routing",
    params(ServicePath, WriteConditions),
    request_body = UpdateService,
    security(("bearer" = [])),
    responses(ChangeResponses)
)]
pub(in crate::admin) async fn update_service(
    State(state): State<AdminState>,
    ServicePath(service): ServicePath,
    conditions: WriteConditions,
    JsonBody(body): JsonBody<UpdateService>,
) -> Result<Response, ApiError> {
    let path = body.health_path.as_deref().map(str::parse).transpose()?;
    let result = state.change(&service, Change::SetHealthPath { path }, conditions, body.reason).await?;
    Ok(change_response(StatusCode::OK, result))
}

/// Removes a service with its versions.
///
/// A service with an active version is removed only with `force=true`. Requests for it then get the response
/// for an unknown service; requests in flight are not interrupted. Its history and its refused changes can
/// still be read. A later registration starts the service again, at the next generation.
#[utoipa::path(
    delete,
    path = "/routing/services/{service}",
    tag = "routing",
    params(ServicePath, WriteConditions),
    request_body = Option<PlainChange>,
    security(("bearer" = [])),
    responses(ChangeResponses)
)]
pub(in crate::admin) async fn remove_service(
    State(state): State<AdminState>,
    ServicePath(service): ServicePath,
    conditions: WriteConditions,
    JsonBody(body): JsonBody<PlainChange>,
) -> Result<Response, ApiError> {
    let change = Change::RemoveService { force: conditions.force };
    let result = state.change(&service, change, conditions, body.reason).await?;
    Ok(change_response(StatusCode::OK, result))
}
