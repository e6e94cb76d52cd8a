//! Explanations of choices.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;

use crate::admin::extract::{ServicePath, StrictQuery};
use crate::admin::openapi::ReadProblems;
use crate::admin::problem::ApiError;
use crate::admin::state::AdminState;
use crate::api::{ExplainParams, ExplanationView, ProblemKind};
use crate::routing::{Change, Route, VersionName, Weight};
use crate::store::ChangeRequest;

/// Explains which version the user with a key gets.
///
/// A request with that key gets the same version, unless the session affinity of the user or an override
/// chooses another one. The key has a slot, and the split assigns each slot to a version. The slot of a key
/// never changes. With `weights` the explanation is of the split that these weights would make, as a change of all
/// weights takes them.
#[utoipa::path(
    get,
    path = "/deployment/services/{service}/explain",
    tag = "deployment",
    params(ServicePath, ExplainParams),
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
    let Some(weights) = params.weights else {
        let route = state.route(&service)?;
        return Ok(Json(ExplanationView::new(&route, params.key)));
    };
    // The actor of a preview is not stored.
    let request = ChangeRequest::new(Change::SetWeights(parse_weights(&weights)?), "explain");
    let preview = state.deployments.preview(&service, &request)?;
    Ok(Json(ExplanationView::new(&Route::compile(preview.after), params.key)))
}

/// Parses weights such as `v1.0:70,v1.1:30`. A wrong name or weight, or a version that is named twice, gets the status
/// 422: the text has the right form.
fn parse_weights(text: &str) -> Result<BTreeMap<VersionName, Weight>, ApiError> {
    let mut weights = BTreeMap::new();
    for entry in text.split(',') {
        let (version, weight) = entry.split_once(':').ok_or_else(malformed_weights)?;
        if weights.insert(version.parse()?, weight.parse()?).is_some() {
            return Err(ApiError::new(ProblemKind::InvalidSplit, "weights: a version is named twice"));
        }
    }
    Ok(weights)
}

/// Creates the response to weights that are not of the documented form.
fn malformed_weights() -> ApiError {
    ApiError::new(ProblemKind::MalformedQuery, "weights: give all of them, as in ?weights=v1.0:70,v1.1:30")
}
