//! Freshness of this gateway and of the others.

use axum::Json;
use axum::extract::State;

use crate::admin::extract::{NoParams, StrictQuery};
use crate::admin::openapi::ReadProblems;
use crate::admin::problem::ApiError;
use crate::admin::state::AdminState;
use crate::api::{ReplicaList, StatusView};

/// Shows how fresh the routes of this gateway are.
///
/// The response needs no store. `stale` means that the gateway cannot reach the store, so that it does not follow the
/// changes of other gateways. Its routes stay in use.
#[utoipa::path(
    get,
    path = "/deployment/status",
    tag = "deployment",
    security(("bearer" = [])),
    responses((status = OK, description = "how fresh the routes are", body = StatusView), ReadProblems)
)]
pub(in crate::admin) async fn status(
    State(state): State<AdminState>,
    StrictQuery(NoParams {}): StrictQuery<NoParams>,
) -> Json<StatusView> {
    let mut status = StatusView::from(&state.deployments);
    status.features.rollouts = state.rollouts.are_mounted();
    Json(status)
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
    StrictQuery(NoParams {}): StrictQuery<NoParams>,
) -> Result<Json<ReplicaList>, ApiError> {
    let replicas = state.deployments.replicas().await?;
    // Read after the reports: a change that is made meanwhile is not served by all of them yet.
    let latest = state.deployments.freshness().latest;
    Ok(Json(ReplicaList::new(replicas, latest, state.deployments.replica_id())))
}
