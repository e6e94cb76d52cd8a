//! How far this gateway and the others are.

use axum::Json;
use axum::extract::State;

use super::answers::{ReplicasDto, StatusDto};
use super::document::ReadProblems;
use super::problem::Problem;
use super::state::AdminState;

/// How fresh the routes of this gateway are. Answered without the store.
#[utoipa::path(
    get,
    path = "/deployment/status",
    tag = "deployment",
    security(("bearer" = [])),
    responses((status = OK, description = "how fresh the routes are", body = StatusDto), ReadProblems)
)]
pub(super) async fn status(State(state): State<AdminState>) -> Json<StatusDto> {
    Json(state.deployments.freshness().into())
}

/// The gateways that share the store, and how far each has followed it.
#[utoipa::path(
    get,
    path = "/deployment/replicas",
    tag = "deployment",
    security(("bearer" = [])),
    responses((status = OK, description = "the replicas", body = ReplicasDto), ReadProblems)
)]
pub(super) async fn replicas(State(state): State<AdminState>) -> Result<Json<ReplicasDto>, Problem> {
    let replicas = state.deployments.replicas().await?;
    Ok(Json(ReplicasDto::new(replicas, state.deployments.replica_id())))
}
