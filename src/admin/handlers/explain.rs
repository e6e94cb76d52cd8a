//! Explanations of choices.

use axum::Json;
use axum::extract::State;

use crate::admin::extract::{ServicePath, StrictQuery};
use crate::admin::openapi::ReadProblems;
use crate::admin::problem::ApiError;
use crate::admin::state::AdminState;
use crate::api::{ExplainParams, ExplanationView, ProblemKind};

/// Explains which version the user with a key gets.
///
/// A request with that key gets the same version, unless the session affinity of the user or an override
/// chooses another one. The key has a slot, and the split assigns each slot to a version. The slot of a key
/// never changes.
#[utoipa::path(
    get,
    path = "/deployment/services/{service}/explain",
    tag = "deployment",
    params(ServicePath, ("key" = String, Query, description = "the key as the gateway finds it in a request")),
    security(("bearer" = [])),
    responses((status = OK, description = "the version", body = ExplanationView), ReadProblems)
)]
pub(in crate::admin) async fn explain(
    State(state): State<AdminState>,
    ServicePath(service): ServicePath,
    StrictQuery(params): StrictQuery<ExplainParams>,
) -> Result<Json<ExplanationView>, ApiError> {
    if params.key.is_empty() {
        return Err(ApiError::new(ProblemKind::MalformedQuery, "give the key of the user, as in ?key=alice"));
    }
    let route = state.route(&service)?;
    Ok(Json(ExplanationView::new(&route, params.key)))
}
