//! Splits of services.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use crate::admin::extract::ServicePath;
use crate::admin::openapi::{ReadProblems, SplitResponses};
use crate::admin::problem::ApiError;
use crate::admin::state::{AdminState, with_etag};
use crate::api::{ServiceList, SplitView};

/// Lists all services with their versions, as this gateway serves them now.
///
/// The services are in the order of their names. The response needs no store: while the store is unavailable,
/// it shows the routes that stay in use.
#[utoipa::path(
    get,
    path = "/deployment/services",
    tag = "deployment",
    security(("bearer" = [])),
    responses((status = OK, description = "all services", body = ServiceList), ReadProblems)
)]
pub(in crate::admin) async fn list_services(State(state): State<AdminState>) -> Json<ServiceList> {
    let table = state.deployments.handle().table();
    Json(table.sorted().iter().map(|route| SplitView::from(route.split())).collect())
}

/// Shows the split of one service, as this gateway serves it now.
///
/// The ETag is the generation of the split. Send it as `If-Match` with a change, and the change is refused if
/// another client has changed the split meanwhile.
#[utoipa::path(
    get,
    path = "/deployment/services/{service}/versions",
    tag = "deployment",
    params(ServicePath),
    security(("bearer" = [])),
    responses(SplitResponses)
)]
pub(in crate::admin) async fn list_versions(
    State(state): State<AdminState>,
    ServicePath(service): ServicePath,
) -> Result<Response, ApiError> {
    let route = state.route(&service)?;
    let split = SplitView::from(route.split());
    Ok(with_etag(StatusCode::OK, split.generation, split))
}
