//! Errors as problem documents (RFC 9457): the one table of statuses, types and titles.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::deployments::DeployError;
use crate::routing::{ChangeError, InvalidBackend, InvalidHealthPath, InvalidName, InvalidWeight};
use crate::store::StoreError;

macro_rules! kinds {
    ($($kind:ident = $status:ident $slug:literal $title:literal;)*) => {
        /// What went wrong: a status, a stable `type` and a title.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind { $($kind),* }

        impl Kind {
            pub(super) const ALL: &[Self] = &[$(Self::$kind),*];

            /// The status, `type` and title of the problem.
            pub(super) const fn parts(self) -> (StatusCode, &'static str, &'static str) {
                match self { $(Self::$kind => (StatusCode::$status, $slug, $title)),* }
            }
        }
    };
}

kinds! {
    MalformedBody = BAD_REQUEST "malformed-body" "Malformed body";
    MalformedQuery = BAD_REQUEST "malformed-query" "Malformed query";
    MalformedHeader = BAD_REQUEST "malformed-header" "Malformed header";
    Unauthorized = UNAUTHORIZED "unauthorized" "Unauthorized";
    InsufficientScope = FORBIDDEN "insufficient-scope" "Insufficient scope";
    UnknownService = NOT_FOUND "unknown-service" "Unknown service";
    UnknownVersion = NOT_FOUND "unknown-version" "Unknown version";
    UnknownGeneration = NOT_FOUND "unknown-generation" "Unknown generation";
    NotFound = NOT_FOUND "not-found" "Not found";
    MethodNotAllowed = METHOD_NOT_ALLOWED "method-not-allowed" "Method not allowed";
    DuplicateVersion = CONFLICT "duplicate-version" "Duplicate version";
    VersionInactive = CONFLICT "version-inactive" "Version inactive";
    VersionActive = CONFLICT "version-active" "Version active";
    AmbiguousRebalance = CONFLICT "ambiguous-rebalance" "Ambiguous rebalance";
    LastActiveVersion = CONFLICT "last-active-version" "Last active version";
    BackendUnhealthy = CONFLICT "backend-unhealthy" "Backend unhealthy";
    VersionGone = CONFLICT "version-gone" "Version gone";
    NothingToRestore = CONFLICT "nothing-to-restore" "Nothing to restore";
    Unsettled = CONFLICT "unsettled" "Unsettled";
    GenerationConflict = PRECONDITION_FAILED "generation-conflict" "Generation conflict";
    PayloadTooLarge = PAYLOAD_TOO_LARGE "payload-too-large" "Payload too large";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "unsupported-media-type" "Unsupported media type";
    InvalidName = UNPROCESSABLE_ENTITY "invalid-name" "Invalid name";
    InvalidWeight = UNPROCESSABLE_ENTITY "invalid-weight" "Invalid weight";
    InvalidSplit = UNPROCESSABLE_ENTITY "invalid-split" "Invalid split";
    InvalidUrl = UNPROCESSABLE_ENTITY "invalid-url" "Invalid URL";
    InvalidHealthPath = UNPROCESSABLE_ENTITY "invalid-health-path" "Invalid health path";
    BrokenSplit = INTERNAL_SERVER_ERROR "broken-split" "Broken split";
    InternalError = INTERNAL_SERVER_ERROR "internal-error" "Internal error";
    StoreUnavailable = SERVICE_UNAVAILABLE "store-unavailable" "Store unavailable";
}

/// An error (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Problem {
    /// A stable word for the kind of problem.
    #[schema(example = "unknown-service")]
    r#type: &'static str,
    /// The kind of problem for people.
    #[schema(example = "Unknown service")]
    title: &'static str,
    /// The status of the response.
    #[schema(example = 404)]
    status: u16,
    /// What happened this time, and what to do.
    detail: String,
    /// With `generation-conflict`: the generation that `If-Match` expects.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_generation: Option<u64>,
    /// With `generation-conflict`: the generation the split is at.
    #[serde(skip_serializing_if = "Option::is_none")]
    current_generation: Option<u64>,
    /// The `WWW-Authenticate` header.
    #[serde(skip)]
    challenge: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, r#type, title) = kind.parts();
        Self {
            r#type,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            expected_generation: None,
            current_generation: None,
            challenge: None,
        }
    }

    /// No valid credentials. The body says nothing about which were given.
    pub(super) fn unauthorized(challenge: &'static str) -> Self {
        let detail = "send a valid token as 'Authorization: Bearer <token>'";
        Self { challenge: Some(challenge), ..Self::new(Kind::Unauthorized, detail) }
    }

    pub(super) fn insufficient_scope(scope: &str) -> Self {
        let detail = format!("this needs the scope {scope}");
        let challenge = Some(r#"Bearer error="insufficient_scope""#);
        Self { challenge, ..Self::new(Kind::InsufficientScope, detail) }
    }

    /// `If-Match` does not hold; `None` where there is no such service or no such number.
    pub(super) fn conflict(expected: Option<u64>, current: Option<u64>, detail: impl Into<String>) -> Self {
        Self {
            expected_generation: expected,
            current_generation: current,
            ..Self::new(Kind::GenerationConflict, detail)
        }
    }

    /// What went wrong inside stays inside: `error` goes to the log only.
    fn internal(kind: Kind, detail: &str, error: &StoreError) -> Self {
        tracing::error!(error = error as &dyn std::error::Error, "a request to the admin API failed");
        Self::new(kind, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let challenge = self.challenge;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<DeployError> for Problem {
    fn from(error: DeployError) -> Self {
        let kind = match error {
            DeployError::Store(error) => return error.into(),
            DeployError::UrlRefused(_) => Kind::InvalidUrl,
            DeployError::Unhealthy { .. } => Kind::BackendUnhealthy,
            DeployError::RegisteredElsewhere { .. } => Kind::DuplicateVersion,
            DeployError::UnknownGeneration { .. } => Kind::UnknownGeneration,
            DeployError::Unsettled => Kind::Unsettled,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::UnknownService(_) => Self::new(Kind::UnknownService, detail),
            StoreError::Refused(refused) => refused.into(),
            StoreError::GenerationConflict { expected, found } => {
                Self::conflict(Some(expected), Some(found), detail)
            }
            StoreError::TextRefused { .. } => Self::new(Kind::MalformedBody, detail),
            StoreError::NotCleared { .. } => Self::new(Kind::BackendUnhealthy, detail),
            StoreError::Broken(_) => {
                let detail = "what is stored of this service cannot be read: see the gateway's log";
                Self::internal(Kind::BrokenSplit, detail, &error)
            }
            StoreError::Unavailable(_) => {
                let detail = "the store is unavailable: requests are served as before; read the service again before you retry";
                Self::internal(Kind::StoreUnavailable, detail, &error)
            }
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let kind = match error {
            ChangeError::UnknownVersion(_) => Kind::UnknownVersion,
            ChangeError::DuplicateVersion(_) => Kind::DuplicateVersion,
            ChangeError::VersionInactive(_) => Kind::VersionInactive,
            ChangeError::VersionActive(_) => Kind::VersionActive,
            ChangeError::AmbiguousRebalance(_) => Kind::AmbiguousRebalance,
            ChangeError::LastActiveVersion(_) => Kind::LastActiveVersion,
            ChangeError::FirstVersionNeedsAll(_) | ChangeError::OnlyVersionNeedsAll(_) => Kind::InvalidWeight,
            ChangeError::WrongTotal { .. } => Kind::InvalidSplit,
            ChangeError::RestoreGone { .. } => Kind::VersionGone,
            ChangeError::RestoreEmpty { .. } => Kind::NothingToRestore,
        };
        Self::new(kind, error.to_string())
    }
}

macro_rules! from_invalid {
    ($($error:ident => $kind:ident),*) => {$(
        impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                Self::new(Kind::$kind, error.to_string())
            }
        }
    )*};
}

from_invalid! {
    InvalidName => InvalidName,
    InvalidWeight => InvalidWeight,
    InvalidBackend => InvalidUrl,
    InvalidHealthPath => InvalidHealthPath
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn each_kind_of_problem_is_in_the_docs_with_its_status() {
        for kind in Kind::ALL {
            let (status, slug, _) = kind.parts();
            let row = format!("//! | {} | `{slug}` |", status.as_u16());
            assert!(include_str!("mod.rs").contains(&row), "{row}");
        }
    }
}
