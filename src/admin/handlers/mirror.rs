//! Copies of requests to a version.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use crate::admin::extract::{JsonBody, ServicePath, WriteConditions};
use crate::admin::openapi::ChangeResponses;
use crate::admin::problem::ApiError;
use crate::admin::state::{AdminState, change_response};
use crate::api::{PlainChange, SetMirror};
use crate::routing::{Change, Weight};

/// Copies a share of the requests to a version.
///
/// The version gets copies of this share of the requests that other versions of the service serve. Nobody sees its
/// responses. The version must be active; it may have the weight 0, and it is not probed. Copies change no weight. They
/// end when the version is deactivated or removed. Gateways that do not mirror requests send none.
#[utoipa::path(
    put,
    path = "/deployment/services/{service}/mirror",
    tag = "deployment",
    params(ServicePath, WriteConditions),
    request_body = SetMirror,
    security(("bearer" = [])),
    responses(ChangeResponses)
)]
pub(in crate::admin) async fn set_mirror(
    State(state): State<AdminState>,
    ServicePath(service): ServicePath,
    conditions: WriteConditions,
    JsonBody(body): JsonBody<SetMirror>,
) -> Result<Response, ApiError> {
    let change = Change::set_mirror(body.version.parse()?, Weight::try_from(body.percent)?);
    let result = state.change(&service, change, conditions, body.reason).await?;
    Ok(change_response(StatusCode::OK, result))
}

/// Copies no more requests.
///
/// Copies in flight are not interrupted. Without a mirror it changes nothing and succeeds.
#[utoipa::path(
    delete,
    path = "/deployment/services/{service}/mirror",
    tag = "deployment",
    params(ServicePath, WriteConditions),
    request_body = Option<PlainChange>,
    security(("bearer" = [])),
    responses(ChangeResponses)
)]
pub(in crate::admin) async fn remove_mirror(
    State(state): State<AdminState>,
    ServicePath(service): ServicePath,
    conditions: WriteConditions,
    JsonBody(body): JsonBody<PlainChange>,
) -> Result<Response, ApiError> {
    let result = state.change(&service, Change::remove_mirror(), conditions, body.reason).await?;
    Ok(change_response(StatusCode::OK, result))
}
