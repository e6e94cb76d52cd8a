//! Errors as problem documents.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::check::ProbeView;
use super::problem_kind::ProblemKind;

/// An error of the API as a problem document (RFC 9457).
///
/// It is an [`Error`](std::error::Error), so that a client can return it as one.
///
/// ```
/// use tower_canary::api::{Problem, ProblemKind};
///
/// let json = r#"{
///     "type": "generation-conflict", "title": "Generation conflict", "status": 412,
///     "detail": "the split is at generation 2, not 7", "expectedGeneration": 7, "currentGeneration": 2
/// }"#;
/// let problem: Problem = serde_json::from_str(json)?;
/// assert_eq!(problem.kind(), Some(ProblemKind::GenerationConflict));
/// assert_eq!(problem.current_generation, Some(2));
/// assert_eq!(problem.to_string(), "Generation conflict: the split is at generation 2, not 7");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[error("{title}: {detail}")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct Problem {
    /// A stable word for the kind of problem.
    #[cfg_attr(feature = "admin", schema(example = "unknown-service"))]
    pub r#type: String,
    /// The kind of problem in words.
    #[cfg_attr(feature = "admin", schema(example = "Unknown service"))]
    pub title: String,
    /// The status of the response.
    #[cfg_attr(feature = "admin", schema(example = 404))]
    pub status: u16,
    /// The mistake in this request, and how to change it.
    pub detail: String,
    /// With `generation-conflict`: the generation that `If-Match` expects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_generation: Option<u64>,
    /// With `generation-conflict`: the generation of the split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_generation: Option<u64>,
    /// With `backend-unhealthy`: the first probe that failed. Left out if the store refused a version that was not probed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeView>,
    /// With `backend-unhealthy`: all probes that failed, one for each instance. Left out if there was none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ProbeView>,
    /// With `invalid-plan` and `unknown-gate`: the place in the body as a JSON pointer (RFC 6901). Empty for the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(example = "/steps/2"))]
    pub pointer: Option<String>,
    /// With `rollout-active`: the id of the rollout that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// With `stale-step`: the number of the present stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
}

impl Problem {
    /// Creates a problem of this kind.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            r#type: kind.slug().to_owned(),
            title: kind.title().to_owned(),
            status: kind.status().as_u16(),
            detail: detail.into(),
            expected_generation: None,
            current_generation: None,
            probe: None,
            probes: Vec::new(),
            pointer: None,
            rollout: None,
            step: None,
        }
    }

    /// Returns the kind of the problem. `None`: a later release of the server may have more kinds.
    #[must_use]
    pub fn kind(&self) -> Option<ProblemKind> {
        ProblemKind::from_slug(&self.r#type)
    }
}
