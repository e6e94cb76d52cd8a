//! Reading splits.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::document::ReadProblems;
use super::dto::{ServicesDto, SplitDto};
use super::extract::OfService;
use super::problem::Problem;
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
    let services = table.routes().iter().map(|route| SplitDto::from(route.split())).collect();
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
