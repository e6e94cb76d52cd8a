//! Changes that move traffic.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use crate::admin::extract::{JsonBody, ServicePath, VersionPath, WriteConditions};
use crate::admin::openapi::ChangeResponses;
use crate::admin::problem::ApiError;
use crate::admin::state::{AdminState, change_response};
use crate::api::{PlainChange, SetWeight, SetWeights};
use crate::routing::{Change, VersionName, Weight};

/// Sets the weight of a version.
///
/// The other active versions share the rest in proportion to their weights. If all of them are at 0 and there
/// are several, the request is ambiguous and refused: set all weights instead. A version that had no traffic
/// is probed first.
#[utoipa::path(
    put,
    path = "/deployment/services/{service}/versions/{version}/weight",
    tag = "deployment",
    params(VersionPath, WriteConditions),
    request_body = SetWeight,
    security(("bearer" = [])),
    responses(ChangeResponses)
)]
pub(in crate::admin) async fn set_weight(
    State(state): State<AdminState>,
    VersionPath(service, version): VersionPath,
    conditions: WriteConditions,
    JsonBody(body): JsonBody<SetWeight>,
) -> Result<Response, ApiError> {
    let weight = Weight::try_from(body.weight)?;
    let change = Change::SetWeight { version, weight };
    let mut result = state.change(&service, change, conditions, body.reason).await?;
    result.weight = Some(weight.into());
    Ok(change_response(StatusCode::OK, result))
}

/// Sets all weights of a split.
///
/// The weights must total 100. An active version that is left out gets 0. Versions that had no traffic are
/// probed first.
#[utoipa::path(
    put,
    path = "/deployment/services/{service}/weights",
    tag = "deployment",
    params(ServicePath, WriteConditions),
    request_body = SetWeights,
    security(("bearer" = [])),
    responses(ChangeResponses)
)]
pub(in crate::admin) async fn set_weights(
    State(state): State<AdminState>,
    ServicePath(service): ServicePath,
    conditions: WriteConditions,
    JsonBody(body): JsonBody<SetWeights>,
) -> Result<Response, ApiError> {
    let change = Change::SetWeights(parse_weights(&body.weights)?);
    let result = state.change(&service, change, conditions, body.reason).await?;
    Ok(change_response(StatusCode::OK, result))
}

/// Gives all traffic to a version, and activates it if necessary.
///
/// This is also the rollback: switch to the version that served before. A switch to the version that has all
/// traffic already changes nothing and succeeds.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/versions/{version}/switch",
    tag = "deployment",
    params(VersionPath, WriteConditions),
    request_body = Option<PlainChange>,
    security(("bearer" = [])),
    responses(ChangeResponses)
)]
pub(in crate::admin) async fn switch(
    State(state): State<AdminState>,
    VersionPath(service, version): VersionPath,
    conditions: WriteConditions,
    JsonBody(body): JsonBody<PlainChange>,
) -> Result<Response, ApiError> {
    let switched_to = version.to_string();
    let mut result = state.change(&service, Change::Switch { version }, conditions, body.reason).await?;
    result.switched_to = Some(switched_to);
    Ok(change_response(StatusCode::OK, result))
}

/// Ends the session affinity of all users who are pinned to a version of the service.
///
/// The next request of each user is assigned by the present weights, and the user is pinned again. Users with
/// a key keep their version, because it follows from the key. A request that is sent again would assign users again: send
/// `If-Match` with the generation, and the second one is refused with 412.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/redraw",
    tag = "deployment",
    params(ServicePath, WriteConditions),
    request_body = Option<PlainChange>,
    security(("bearer" = [])),
    responses(ChangeResponses)
)]
pub(in crate::admin) async fn redraw(
    State(state): State<AdminState>,
    ServicePath(service): ServicePath,
    conditions: WriteConditions,
    JsonBody(body): JsonBody<PlainChange>,
) -> Result<Response, ApiError> {
    let result = state.change(&service, Change::Redraw, conditions, body.reason).await?;
    Ok(change_response(StatusCode::OK, result))
}

/// Parses the names and weights. A wrong one gets the status 422 and not 400: the body has the right form.
fn parse_weights(weights: &BTreeMap<String, f64>) -> Result<BTreeMap<VersionName, Weight>, ApiError> {
    weights.iter().map(|(version, weight)| Ok((version.parse()?, Weight::try_from(*weight)?))).collect()
}
