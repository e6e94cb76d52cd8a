//! Versions: registration, update, removal and probe.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};

use crate::admin::extract::{JsonBody, ServicePath, VersionPath, WriteConditions};
use crate::admin::openapi::{ChangeResponses, RegistrationResponses, WriteProblems};
use crate::admin::problem::ApiError;
use crate::admin::state::{AdminState, changed};
use crate::api::{CheckView, PlainChange, ProblemKind, RegisterVersion, UpdateVersion};
use crate::routing::{Backend, Change, Registration, VersionName, Weight};

/// Registers a version.
///
/// The first version creates its service and gets all traffic. A later version gets no traffic unless the
/// request gives it a weight, and is probed before it gets some. The policy of the gateway decides which URLs
/// are allowed.
#[utoipa::path(
    post,
    path = "/routing/services/{service}/versions",
    tag = "routing",
    params(ServicePath, WriteConditions),
    request_body = RegisterVersion,
    security(("bearer" = [])),
    responses(RegistrationResponses)
)]
pub(in crate::admin) async fn register(
    State(state): State<AdminState>,
    OriginalUri(uri): OriginalUri,
    ServicePath(service): ServicePath,
    conditions: WriteConditions,
    JsonBody(body): JsonBody<RegisterVersion>,
) -> Result<Response, ApiError> {
    let registration = registration(&body)?;
    let location = format!("{}/{}", uri.path(), registration.version);
    let result = state.change(&service, Change::Register(registration), conditions, body.reason).await?;
    let is_registered = !result.dry_run;
    let mut response = changed(StatusCode::CREATED, result);
    if is_registered && let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Activates or deactivates a version, changes its URL, or both in one change.
///
/// The weight of a version that is deactivated goes to the other active versions. A version that is activated
/// again has the weight 0, or 100 if no other version is active. A new URL keeps the weight.
#[utoipa::path(
    put,
    path = "/routing/services/{service}/versions/{version}",
    tag = "routing",
    params(VersionPath, WriteConditions),
    request_body = UpdateVersion,
    security(("bearer" = [])),
    responses(ChangeResponses)
)]
pub(in crate::admin) async fn update(
    State(state): State<AdminState>,
    VersionPath(service, version): VersionPath,
    conditions: WriteConditions,
    JsonBody(body): JsonBody<UpdateVersion>,
) -> Result<Response, ApiError> {
    let change = update_change(version, &body, conditions.force)?;
    let result = state.change(&service, change, conditions, body.reason).await?;
    Ok(changed(StatusCode::OK, result))
}

/// Removes an inactive version.
///
/// Requests in flight are not interrupted. The history keeps the version.
#[utoipa::path(
    delete,
    path = "/routing/services/{service}/versions/{version}",
    tag = "routing",
    params(VersionPath, WriteConditions),
    request_body = Option<PlainChange>,
    security(("bearer" = [])),
    responses(ChangeResponses)
)]
pub(in crate::admin) async fn remove(
    State(state): State<AdminState>,
    VersionPath(service, version): VersionPath,
    conditions: WriteConditions,
    JsonBody(body): JsonBody<PlainChange>,
) -> Result<Response, ApiError> {
    let result = state.change(&service, Change::Remove { version }, conditions, body.reason).await?;
    Ok(changed(StatusCode::OK, result))
}

/// Probes a version now, in the same way as before it gets traffic.
///
/// Nothing is changed. A version that does not respond as it should gets the problem `backend-unhealthy` with
/// the status or the cause, and never with the body of its response.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/versions/{version}/check",
    tag = "deployment",
    params(VersionPath),
    security(("bearer" = [])),
    responses((status = OK, description = "the version is healthy", body = CheckView), WriteProblems)
)]
pub(in crate::admin) async fn check(
    State(state): State<AdminState>,
    VersionPath(service, version): VersionPath,
) -> Result<Json<CheckView>, ApiError> {
    Ok(Json(state.deployments.check(&service, &version).await?.into()))
}

/// Parses the texts of a registration.
fn registration(body: &RegisterVersion) -> Result<Registration, ApiError> {
    let mut registration = Registration::new(body.version.parse()?, body.url.parse()?);
    registration.weight = body.weight.map(Weight::try_from).transpose()?;
    registration.active = body.active.unwrap_or(true);
    registration.health_path = body.health_path.as_deref().map(str::parse).transpose()?;
    Ok(registration)
}

/// Chooses the change for the fields that are given. Both together are one change, so that no request sees
/// the one without the other.
fn update_change(version: VersionName, body: &UpdateVersion, force: bool) -> Result<Change, ApiError> {
    let backend = body.url.as_deref().map(str::parse::<Backend>).transpose()?;
    match (body.active, backend) {
        (Some(active), Some(backend)) => Ok(Change::Update { version, backend, active, force }),
        (Some(active), None) => Ok(Change::SetActive { version, active, force }),
        (None, Some(backend)) => Ok(Change::SetUrl { version, backend }),
        (None, None) => Err(ApiError::new(ProblemKind::MalformedBody, "give 'active', 'url' or both")),
    }
}
