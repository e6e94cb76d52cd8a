//! Registering, changing, removing and probing versions.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};

use super::answers::{ChangedDto, CheckedDto};
use super::document::{ChangeAnswers, WriteProblems};
use super::extract::{Body, OfService, OfVersion, Write};
use super::problem::{Kind, Problem};
use super::requests::{Register, Update, Why};
use super::state::AdminState;
use crate::routing::{Backend, Change, Registration, VersionName, Weight};

/// Registers a version, and its service with the first one. Moves no traffic unless given a weight.
#[utoipa::path(
    post,
    path = "/routing/services/{service}/versions",
    tag = "routing",
    params(OfService, Write),
    request_body = Register,
    security(("bearer" = [])),
    responses(
        (
            status = CREATED,
            description = "the split after",
            body = ChangedDto,
            headers(("ETag" = String, description = "the generation in quotes"), ("Location" = String, description = "the path of the version"))
        ),
        ChangeAnswers
    )
)]
pub(super) async fn register(
    State(state): State<AdminState>,
    OriginalUri(uri): OriginalUri,
    OfService(service): OfService,
    write: Write,
    Body(body): Body<Register>,
) -> Result<Response, Problem> {
    let registration = registration(&body)?;
    let location = format!("{}/{}", uri.path(), registration.version);
    let changed = state.apply(&service, Change::Register(registration), write, body.reason).await?;
    let answer = changed.dto();
    let mut answer = changed.answer(StatusCode::CREATED, answer);
    if answer.status() != StatusCode::OK
        && let Ok(location) = HeaderValue::try_from(location)
    {
        answer.headers_mut().insert(LOCATION, location);
    }
    Ok(answer)
}

/// Puts a version into or out of service, serves it from another URL, or both at once.
#[utoipa::path(
    put,
    path = "/routing/services/{service}/versions/{version}",
    tag = "routing",
    params(OfVersion, Write),
    request_body = Update,
    security(("bearer" = [])),
    responses(
        (status = OK, description = "the split after", body = ChangedDto, headers(("ETag" = String, description = "the generation in quotes"))),
        ChangeAnswers
    )
)]
pub(super) async fn update(
    State(state): State<AdminState>,
    OfVersion(service, version): OfVersion,
    write: Write,
    Body(body): Body<Update>,
) -> Result<Response, Problem> {
    let change = change(version, &body, write.force)?;
    Ok(state.apply(&service, change, write, body.reason).await?.ok())
}

/// Forgets an inactive version.
#[utoipa::path(
    delete,
    path = "/routing/services/{service}/versions/{version}",
    tag = "routing",
    params(OfVersion, Write),
    request_body = Option<Why>,
    security(("bearer" = [])),
    responses(
        (status = OK, description = "the split after", body = ChangedDto, headers(("ETag" = String, description = "the generation in quotes"))),
        ChangeAnswers
    )
)]
pub(super) async fn remove(
    State(state): State<AdminState>,
    OfVersion(service, version): OfVersion,
    write: Write,
    Body(body): Body<Why>,
) -> Result<Response, Problem> {
    Ok(state.apply(&service, Change::Remove { version }, write, body.reason).await?.ok())
}

/// Probes a version now, as before it gets traffic.
#[utoipa::path(
    post,
    path = "/deployment/services/{service}/versions/{version}/check",
    tag = "deployment",
    params(OfVersion),
    security(("bearer" = [])),
    responses((status = OK, description = "it is healthy", body = CheckedDto), WriteProblems)
)]
pub(super) async fn check(
    State(state): State<AdminState>,
    OfVersion(service, version): OfVersion,
) -> Result<Json<CheckedDto>, Problem> {
    Ok(Json(state.deployments.check(&service, &version).await?.into()))
}

fn registration(body: &Register) -> Result<Registration, Problem> {
    let mut registration = Registration::new(body.version.parse()?, body.url.parse()?);
    registration.weight = body.weight.map(Weight::try_from).transpose()?;
    registration.active = body.active.unwrap_or(true);
    registration.health_path = body.health_path.as_deref().map(str::parse).transpose()?;
    Ok(registration)
}

fn change(version: VersionName, body: &Update, force: bool) -> Result<Change, Problem> {
    let backend = body.url.as_deref().map(str::parse::<Backend>).transpose()?;
    match (body.active, backend) {
        (Some(active), Some(backend)) => Ok(Change::Update { version, backend, active, force }),
        (Some(active), None) => Ok(Change::SetActive { version, active, force }),
        (None, Some(backend)) => Ok(Change::SetUrl { version, backend }),
        (None, None) => Err(Problem::new(Kind::MalformedBody, "give 'active', 'url' or both")),
    }
}
