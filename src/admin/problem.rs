//! Errors of handlers as responses.
//!
//! The table of statuses, types and titles is [`ProblemKind`]. Errors of the modules below become problems
//! here and nowhere else:
//!
//! | error | made by | response | log |
//! | --- | --- | --- | --- |
//! | `Invalid…` of `routing` | parsing a name, weight, URL or path | 422, the whole text | none |
//! | [`ChangeError::TooManyChanges`] | the rules of a split | 500, the whole text | `error`, here; for a change also `warn`, by the deployments |
//! | [`ChangeError`] otherwise | the rules of a split | 404, 409 or 422, the whole text | `warn` for a change, by the deployments |
//! | [`StoreError`] about the request | the store | 400, 404, 409 or 412, the whole text | `warn` for a change, by the deployments |
//! | [`StoreError::Broken`], [`StoreError::Unavailable`] | the store | 500 or 503, a fixed text | `error`, here, with all causes |
//! | [`StoreError::Unusable`], [`StoreError::Unstorable`] | the store | 500 with the remedy, or 422 | `error`, here, with all causes |
//! | [`DeployError`] | probes, the URL policy, the history | 404, 409 or 422, the whole text | `warn` for a change, by the deployments |
//! | errors of rollouts | their driver | see `rollout_problem` | `info` for an order that is carried out, by the driver |
//! | a request without a sender | the router, by a defect | 500, a fixed text | `error`, by `extract` |
//! | a panic | code of the application | 500, a fixed text | by the application's panic hook |
//!
//! A detail may quote the request and the split, because the sender may read both. The cause of a failure
//! inside the gateway, for example the address of the database, goes to the log and not into the response.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use super::principal::Scope;
use crate::api::{ProbeView, Problem, ProblemKind};
use crate::deployments::{DeployError, Unhealthy};
use crate::routing::{
    Backend, ChangeError, InvalidBackend, InvalidHealthPath, InvalidInstances, InvalidName, InvalidWeight,
    VersionName,
};
use crate::store::StoreError;

/// A problem document with the headers of its response.
///
/// Handlers and extractors return it as their error, and `?` converts the errors in the table above.
#[derive(Debug)]
pub(super) struct ApiError {
    // Boxed to keep `Result<_, ApiError>` small.
    pub(super) problem: Box<Problem>,
    /// The `WWW-Authenticate` header of a 401 response.
    challenge: Option<HeaderValue>,
}

impl ApiError {
    /// Creates a problem whose detail the sender of the request sees.
    pub(super) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { problem: Box::new(Problem::new(kind, detail)), challenge: None }
    }

    /// Creates the response to missing or invalid credentials. The body does not say which of both they are: `instructions` is
    /// the same text for both.
    pub(super) fn unauthorized(challenge: Option<HeaderValue>, instructions: &str) -> Self {
        Self { challenge, ..Self::new(ProblemKind::Unauthorized, instructions) }
    }

    /// Creates the response to credentials without the scope that the request needs. [`guard`](super::auth::guard) adds the
    /// challenge.
    pub(super) fn insufficient_scope(needed: Scope) -> Self {
        Self::new(ProblemKind::InsufficientScope, format!("this request needs the scope {needed}"))
    }

    /// Creates the response to an `If-Match` that does not hold. `expected` is `None` if the header names no generation,
    /// `current` if the service does not exist.
    pub(super) fn conflict(expected: Option<u64>, current: Option<u64>, detail: impl Into<String>) -> Self {
        let mut error = Self::new(ProblemKind::GenerationConflict, detail);
        error.problem.expected_generation = expected;
        error.problem.current_generation = current;
        error
    }

    /// Creates the response to a change for a version of which too few instances passed their probes, or to such probes.
    fn unhealthy(detail: String, version: &VersionName, causes: &[(Backend, Unhealthy)]) -> Self {
        let mut error = Self::new(ProblemKind::BackendUnhealthy, detail);
        let failed = causes.iter().map(|(backend, cause)| ProbeView::failed(version, backend, cause));
        error.problem.probes = failed.collect();
        error.problem.probe = error.problem.probes.first().cloned();
        error
    }

    /// Logs `error` with its causes, and creates a response that shows `detail` alone.
    pub(super) fn internal(
        kind: ProblemKind,
        detail: &str,
        error: &(dyn std::error::Error + 'static),
    ) -> Self {
        tracing::error!(error, "a request to the admin API failed");
        Self::new(kind, detail)
    }
}

/// The response has the media type of RFC 9457. A 503 has `Retry-After: 1`, since gateways retry the store
/// about every second.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<DeployError> for ApiError {
    fn from(error: DeployError) -> Self {
        let detail = error.to_string();
        match error {
            DeployError::Store(error) => error.into(),
            DeployError::Unhealthy { version, causes } => Self::unhealthy(detail, &version, &causes),
            DeployError::UrlRefused(_) => Self::new(ProblemKind::InvalidUrl, detail),
            DeployError::RegisteredElsewhere { .. } => Self::new(ProblemKind::DuplicateVersion, detail),
            DeployError::UnknownGeneration { .. } => Self::new(ProblemKind::UnknownGeneration, detail),
            DeployError::UrlNotRestorable { .. } => Self::new(ProblemKind::UrlNotRestorable, detail),
            DeployError::Unsettled => Self::new(ProblemKind::Unsettled, detail),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::UnknownService(_) => Self::new(ProblemKind::UnknownService, detail),
            StoreError::Refused(refused) => refused.into(),
            StoreError::GenerationConflict { expected, found } => {
                Self::conflict(Some(expected), Some(found), detail)
            }
            StoreError::RolloutActive { id } => {
                let mut error = Self::new(ProblemKind::RolloutActive, detail);
                error.problem.rollout = Some(id);
                error
            }
            StoreError::TextRefused { .. } => Self::new(ProblemKind::MalformedBody, detail),
            StoreError::NotCleared { .. } => Self::new(ProblemKind::BackendUnhealthy, detail),
            StoreError::Broken(_) => {
                let detail = "the stored split of this service cannot be read: see the log of the gateway";
                Self::internal(ProblemKind::BrokenSplit, detail, &error)
            }
            StoreError::Unstorable(_) => Self::internal(ProblemKind::UnstorableText, &detail, &error),
            StoreError::Unusable { .. } => Self::internal(ProblemKind::StoreUnusable, &detail, &error),
            StoreError::Unavailable(_) => {
                let detail = "the store is unavailable; existing routes stay in use; read the service again before you retry";
                Self::internal(ProblemKind::StoreUnavailable, detail, &error)
            }
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        let detail = error.to_string();
        let kind = match error {
            ChangeError::TooManyChanges => return Self::internal(ProblemKind::BrokenSplit, &detail, &error),
            ChangeError::UnknownVersion(_) => ProblemKind::UnknownVersion,
            ChangeError::DuplicateVersion(_) => ProblemKind::DuplicateVersion,
            ChangeError::VersionInactive(_) | ChangeError::MirrorInactive(_) => ProblemKind::VersionInactive,
            ChangeError::MirrorWithoutShare => ProblemKind::InvalidWeight,
            ChangeError::VersionActive(_) | ChangeError::ServiceActive(_) => ProblemKind::VersionActive,
            ChangeError::ServiceRemoved(_) => ProblemKind::UnknownService,
            ChangeError::RestoreReplaced { .. } => ProblemKind::UrlNotRestorable,
            ChangeError::AmbiguousRebalance(_) => ProblemKind::AmbiguousRebalance,
            ChangeError::LastInstance(_) => ProblemKind::LastInstance,
            ChangeError::Instances(_) => ProblemKind::InvalidUrl,
            ChangeError::LastActiveVersion(_) => ProblemKind::LastActiveVersion,
            ChangeError::FirstVersionNeedsAll(_) | ChangeError::OnlyVersionNeedsAll(_) => {
                ProblemKind::InvalidWeight
            }
            ChangeError::WrongTotal { .. } => ProblemKind::InvalidSplit,
            ChangeError::RestoreGone { .. } => ProblemKind::VersionGone,
            ChangeError::RestoreEmpty { .. } => ProblemKind::NothingToRestore,
        };
        Self::new(kind, detail)
    }
}

/// A text that is not the value it should be: 422 with the text of the error, which says what to give.
macro_rules! from_invalid {
    ($($error:ident => $kind:ident),*) => {$(
        impl From<$error> for ApiError {
            fn from(error: $error) -> Self {
                Self::new(ProblemKind::$kind, error.to_string())
            }
        }
    )*};
}

from_invalid! {
    InvalidName => InvalidName,
    InvalidWeight => InvalidWeight,
    InvalidBackend => InvalidUrl,
    InvalidInstances => InvalidUrl,
    InvalidHealthPath => InvalidHealthPath
}

#[cfg(test)]
mod tests {
    use crate::api::ProblemKind;

    #[test]
    fn docs_list_every_problem_and_status() {
        for kind in ProblemKind::ALL {
            let row = format!("//! | {} | `{}` |", kind.status().as_u16(), kind.slug());
            assert!(include_str!("mod.rs").contains(&row), "{row}");
        }
    }
}
