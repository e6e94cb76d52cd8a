//! Versions: registration, update, removal and probes.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};

use super::url_forms::{registered_urls, url_change};
use crate::admin::extract::{
    JsonBody, NoParams, Sender, ServicePath, StrictQuery, VersionPath, WriteConditions,
};
use crate::admin::openapi::{ChangeResponses, RegistrationResponses, WriteProblems};
use crate::admin::principal::Scope;
use crate::admin::problem::ApiError;
use crate::admin::state::{AdminState, change_response};
use crate::api::{CheckVersion, CheckView, PlainChange, ProblemKind, RegisterVersion, UpdateVersion};
use crate::deployments::{DeployError, Unhealthy, VersionProbe};
use crate::routing::{Backend, Change, Registration, VersionName, Weight};

/// Registers a version.
///
/// The first version creates its service. While no other version is active, an active version gets all traffic, without a
/// probe. Otherwise it gets no traffic unless the request gives it a weight, and is probed before it gets some. A version
/// with one instance has `url`, one with several has `urls`, over which its requests are balanced. The policy of the
/// gateway decides which URLs are allowed.
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
    let mut response = change_response(StatusCode::CREATED, result);
    if is_registered && let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Activates or deactivates a version, changes its URLs, or both in one change.
///
/// The weight of a version that is deactivated goes to the other active versions. A version that is activated
/// again has the weight 0, or 100 if no other version is active. `url` and `urls` replace all URLs. `addUrls` and
/// `removeUrls` change some of them, so that two clients at once do not undo each other. The version keeps its weight. If it
/// has traffic, its new URLs are probed first.
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
    Ok(change_response(StatusCode::OK, result))
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
    Ok(change_response(StatusCode::OK, result))
}

/// Probes the instances of a version now, in the same way as before it gets traffic.
///
/// The stored split is not changed, so a sender who may only read may probe. Without `clear`, a version is probed at most
/// once per second: a request within that time gets the results of the probes before it. A version of which fewer than half
/// of the instances respond as they should gets the problem `backend-unhealthy` with the status or the cause for each, and
/// never with the body of a response. With `clear` each ejected instance that passes gets requests again at this gateway;
/// that needs the scope to write and always probes.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/versions/{version}/check",
    tag = "deployment",
    params(VersionPath),
    request_body = Option<CheckVersion>,
    security(("bearer" = [])),
    responses((status = OK, description = "the version is healthy", body = CheckView), WriteProblems)
)]
pub(in crate::admin) async fn check(
    State(state): State<AdminState>,
    VersionPath(service, version): VersionPath,
    StrictQuery(NoParams {}): StrictQuery<NoParams>,
    Sender(sender): Sender,
    JsonBody(body): JsonBody<CheckVersion>,
) -> Result<Json<CheckView>, ApiError> {
    if body.clear && !sender.may(Scope::Write) {
        return Err(ApiError::insufficient_scope(Scope::Write));
    }
    let route = state.route(&service)?;
    let probes = state.probes.check(&state.deployments, &route, &version, body.clear).await?;
    if !VersionProbe::suffice(&probes) {
        return Err(DeployError::Unhealthy { version, causes: failures(probes) }.into());
    }
    Ok(Json(CheckView::new(&probes)))
}

/// Returns the instances that did not pass, each with the cause.
fn failures(probes: Vec<VersionProbe>) -> Vec<(Backend, Unhealthy)> {
    probes.into_iter().filter_map(|probe| Some((probe.backend, probe.healthy.err()?))).collect()
}

/// Parses the texts of a registration.
fn registration(body: &RegisterVersion) -> Result<Registration, ApiError> {
    let version = body.version.parse()?;
    let urls = registered_urls(body)?;
    let mut registration = Registration::new(version, urls.first().clone()).with_instances(urls);
    registration.weight = body.weight.map(Weight::try_from).transpose()?;
    registration.active = body.active.unwrap_or(true);
    registration.health_path = body.health_path.as_deref().map(str::parse).transpose()?;
    Ok(registration)
}

/// Chooses the change for the fields that are given. Both together are one change, so that no request sees
/// the one without the other.
fn update_change(version: VersionName, body: &UpdateVersion, force: bool) -> Result<Change, ApiError> {
    match (body.active, url_change(body)?) {
        (Some(active), Some(urls)) => Ok(Change::Update { version, urls, active, force }),
        (Some(active), None) => Ok(Change::SetActive { version, active, force }),
        (None, Some(urls)) => Ok(Change::ChangeUrls { version, urls }),
        (None, None) => {
            let detail = "give 'active', one of 'url', 'urls', 'addUrls' and 'removeUrls', or both";
            Err(ApiError::new(ProblemKind::MalformedBody, detail))
        }
    }
}
