//! Reading splits.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::answers::{ExplainedDto, ServicesDto, SplitDto};
use super::document::ReadProblems;
use super::extract::{OfService, Strict};
use super::problem::{Kind, Problem};
use super::state::{AdminState, tagged};
use crate::store::StoreError;

/// All services with their versions, as they are served now.
#[utoipa::path(
    get,
    path = "/deployment/services",
    tag = "deployment",
    security(("bearer" = [])),
    responses((status = OK, description = "all services", body = ServicesDto), ReadProblems)
)]
pub(super) async fn list_services(State(state): State<AdminState>) -> Json<ServicesDto> {
    let table = state.deployments.handle().table();
    let services = table.sorted().iter().map(|route| SplitDto::from(route.split())).collect();
    Json(ServicesDto { services })
}

/// The versions of one service, as they are served now.
#[utoipa::path(
    get,
    path = "/deployment/services/{service}/versions",
    tag = "deployment",
    params(("service" = String, Path, description = "the name of the service")),
    security(("bearer" = [])),
    responses(
        (status = OK, description = "the split", body = SplitDto, headers(("ETag" = String, description = "the generation in quotes"))),
        ReadProblems
    )
)]
pub(super) async fn list_versions(
    State(state): State<AdminState>,
    OfService(service): OfService,
) -> Result<Response, Problem> {
    let route = state.deployments.handle().route(service.as_str());
    let route = route.ok_or_else(|| StoreError::UnknownService(service))?;
    Ok(tagged(StatusCode::OK, route.split(), SplitDto::from(route.split())))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    key: String,
}

/// Which version the user of a key gets, and why: the same as for a request with that key.
#[utoipa::path(
    get,
    path = "/deployment/services/{service}/explain",
    tag = "deployment",
    params(OfService, ("key" = String, Query, description = "the key, as the gateway finds it in a request")),
    security(("bearer" = [])),
    responses((status = OK, description = "the version", body = ExplainedDto), ReadProblems)
)]
pub(super) async fn explain(
    State(state): State<AdminState>,
    OfService(service): OfService,
    Strict(asked): Strict<Asked>,
) -> Result<Json<ExplainedDto>, Problem> {
    if asked.key.is_empty() {
        return Err(Problem::new(Kind::MalformedQuery, "give the user's key, as in ?key=alice"));
    }
    let route = state.deployments.handle().route(service.as_str());
    let route = route.ok_or_else(|| StoreError::UnknownService(service))?;
    Ok(Json(ExplainedDto::new(&route, asked.key)))
}
