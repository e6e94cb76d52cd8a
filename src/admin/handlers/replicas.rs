//! Freshness of this gateway and of the others.

use axum::Json;
use axum::extract::State;

use crate::admin::openapi::ReadProblems;
use crate::admin::problem::ApiError;
use crate::admin::state::AdminState;
use crate::api::{ReplicaList, StatusView};

/// Shows how fresh the routes of this gateway are.
///
/// The response needs no store. A high age means that the gateway cannot reach the store, so that it does not
/// follow the changes of other gateways. Its routes stay in use.
#[utoipa::path(
    get,
    path = "/deployment/status",
    tag = "deployment",
    security(("bearer" = [])),
    responses((status = OK, description = "how fresh the routes are", body = StatusView), ReadProblems)
)]
pub(in crate::admin) async fn status(State(state): State<AdminState>) -> Json<StatusView> {
    Json(state.deployments.freshness().into())
}

/// Lists the gateways that share the store and report, with the revision that each serves.
///
/// A gateway disappears from the list 15 seconds after its last report.
#[utoipa::path(
    get,
    path = "/deployment/replicas",
    tag = "deployment",
    security(("bearer" = [])),
    responses((status = OK, description = "the replicas", body = ReplicaList), ReadProblems)
)]
pub(in crate::admin) async fn replicas(
    State(state): State<AdminState>,
) -> Result<Json<ReplicaList>, ApiError> {
    let replicas = state.deployments.replicas().await?;
    Ok(Json(ReplicaList::new(replicas, state.deployments.replica_id())))
}
