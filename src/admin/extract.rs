//! Extractors: names in the path, conditions of a write, the query and the body.
//!
//! Every extractor rejects with an [`ApiError`], so that a malformed request gets a problem document like any
//! other failure. axum's own rejections are plain text and name Rust types. Extractors run after
//! [`guard`](super::auth::guard), so that only authenticated clients see their messages.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::decode::{decode_json, decode_query};
use super::if_match::IfMatch;
use super::principal::{Principal, Scope};
use super::problem::ApiError;
use super::wait_limit::parse_wait_limit;
use crate::api::{ChangeParams, ChangeWait, ProblemKind};
use crate::routing::{ServiceName, VersionName};
use crate::store::MAX_REQUEST_ID;

/// The header by which proxies and applications name a request in their logs.
const X_REQUEST_ID: &str = "x-request-id";

/// The largest body of a request, in bytes.
pub(super) const MAX_BODY: usize = 16 * 1024;

/// The largest number of characters of a detail that quotes the request.
const MAX_DETAIL: usize = 300;

/// The service in the path.
///
/// A name that no service can have is refused with 422 `invalid-name`. Whether the service exists is not
/// checked.
#[derive(Debug)]
pub(super) struct ServicePath(pub(super) ServiceName);

/// The service and the version in the path.
///
/// As with [`ServicePath`], only the form of the names is checked.
#[derive(Debug)]
pub(super) struct VersionPath(pub(super) ServiceName, pub(super) VersionName);

/// The sender of a request, as [`guard`](super::auth::guard) has authenticated it.
#[derive(Debug)]
pub(super) struct Sender(pub(super) Principal);

/// The sender of a write and its conditions.
///
/// The extractor reads the query parameters of [`ChangeParams`], `If-Match` and `If-None-Match`, and the principal that
/// [`guard`](super::auth::guard) has authenticated. It refuses a principal without [`Scope::Write`], except for a preview.
/// A handler that makes a change takes it, and hands it to [`AdminState::change`](super::state::AdminState::change).
#[derive(Debug)]
pub(super) struct WriteConditions {
    /// The actor of the change.
    pub(super) principal: Principal,
    /// The expected generation.
    pub(super) if_match: IfMatch,
    /// The id of the request in the logs of the application, from the header `X-Request-Id`.
    pub(super) request_id: Option<String>,
    /// Skip the probe, and allow to deactivate the last active version or to remove a service with active versions.
    pub(super) force: bool,
    /// Preview the change only.
    pub(super) dry_run: bool,
    /// The longest time to wait for the other replicas. `None`: do not wait.
    pub(super) wait: Option<Duration>,
}

/// A query without unknown parameters. They are refused, so that a mistyped `force` is not overlooked.
///
/// Every handler takes one, with [`NoParams`] if it has no parameters: a test sends an unknown parameter to each
/// operation of the OpenAPI document.
///
/// A refused query gets 400 `malformed-query` with the name of the parameter.
#[derive(Debug)]
pub(super) struct StrictQuery<T>(pub(super) T);

/// A JSON object in the body. An empty body is read as `{}`.
///
/// | body | response |
/// | --- | --- |
/// | longer than the router allows | 413 `payload-too-large` |
/// | neither `application/json` nor `application/*+json` | 415 `unsupported-media-type` |
/// | not a JSON object of the right form | 400 `malformed-body`, with the path of the field |
///
/// An empty body needs no media type, since a switch is a request without one. So the media type is no
/// protection against requests that another site forges: that remains the part of the
/// [`Authenticator`](super::auth::Authenticator).
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

/// The query of an operation without parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoParams {}

#[derive(Deserialize)]
struct ServiceParameter {
    service: String,
}

#[derive(Deserialize)]
struct VersionParameters {
    service: String,
    version: String,
}

// === impl ServicePath ===

impl<S: Send + Sync> FromRequestParts<S> for ServicePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let ServiceParameter { service } = path_parameters(parts, state).await?;
        Ok(Self(service.parse()?))
    }
}

// === impl VersionPath ===

impl<S: Send + Sync> FromRequestParts<S> for VersionPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let VersionParameters { service, version } = path_parameters(parts, state).await?;
        Ok(Self(service.parse()?, version.parse()?))
    }
}

/// Reads parameters of the path by name, because the path of the mount may have parameters of its own.
pub(super) async fn path_parameters<T: DeserializeOwned + Send, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<T, ApiError> {
    let parameters = Path::<T>::from_request_parts(parts, state).await;
    parameters
        .map(|Path(parameters)| parameters)
        .map_err(|rejection| ApiError::new(ProblemKind::InvalidName, describe_path(rejection)))
}

/// Says which name is wrong. axum's own text has more words of HTTP than an operator needs.
fn describe_path(rejection: PathRejection) -> String {
    if let PathRejection::FailedToDeserializePathParams(error) = rejection
        && let ErrorKind::InvalidUtf8InPathParam { key } = error.into_kind()
    {
        return format!("the {key} in the path is not valid UTF-8");
    }
    "the names in the path cannot be read".to_owned()
}

// === impl Sender ===

impl<S: Send + Sync> FromRequestParts<S> for Sender {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // `auth::guard` inserts it into every request that it lets pass.
        parts.extensions.get().cloned().map(Self).ok_or_else(|| {
            tracing::error!("a request to the admin API has no sender: it was not authenticated");
            ApiError::new(ProblemKind::InternalError, "the gateway has a defect: the sender is not known")
        })
    }
}

// === impl WriteConditions ===

impl<S: Send + Sync> FromRequestParts<S> for WriteConditions {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Sender(principal) = Sender::from_request_parts(parts, state).await?;
        let StrictQuery(params) = StrictQuery::<ChangeParams>::from_request_parts(parts, state).await?;
        // `access` has decided the same by the text of the query. Here it is decided by the value that is used.
        if !params.dry_run && !principal.may(Scope::Write) {
            return Err(ApiError::insufficient_scope(Scope::Write));
        }
        Ok(Self {
            principal,
            request_id: request_id(&parts.headers),
            if_match: IfMatch::from_headers(&parts.headers)?,
            force: params.force,
            dry_run: params.dry_run,
            wait: wait_time(&params)?,
        })
    }
}

/// Returns the value of `X-Request-Id`. One that is not 1 to 128 visible ASCII characters is ignored: proxies and the
/// application choose it, not the sender alone.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    let is_id = (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    is_id.then(|| id.to_owned())
}

/// Returns the longest time to wait for the other replicas. `None`: the response does not wait.
///
/// A `timeout` without `wait` waits as well. There is one kind of wait, and a client that gives a timeout counts on it.
fn wait_time(params: &ChangeParams) -> Result<Option<Duration>, ApiError> {
    match (params.wait, &params.timeout) {
        (None, None) => Ok(None),
        (Some(ChangeWait::Converged), None) => Ok(Some(ChangeParams::DEFAULT_TIMEOUT)),
        (None | Some(ChangeWait::Converged), Some(text)) => {
            parse_wait_limit(text, ChangeParams::MAX_TIMEOUT).map(Some)
        }
    }
}

// === impl StrictQuery ===

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = decode_query(parts.uri.query().unwrap_or_default());
        query.map(Self).map_err(|detail| ApiError::new(ProblemKind::MalformedQuery, shortened(&detail)))
    }
}

// === impl JsonBody ===

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let json = json_bytes(request, state).await?;
        decode_json(&json).map(Self).map_err(|detail| malformed_body(&detail))
    }
}

/// Reads a body of the media type JSON. An empty one is `{}`.
pub(super) async fn json_bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    let is_json = is_json(request.headers());
    let bytes = Bytes::from_request(request, state).await.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("the body is larger than {} KiB", MAX_BODY / 1024);
            ApiError::new(ProblemKind::PayloadTooLarge, detail)
        }
        _ => ApiError::new(ProblemKind::MalformedBody, "the body cannot be read"),
    })?;
    if bytes.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    if !is_json {
        let detail = "send the body as 'Content-Type: application/json'";
        return Err(ApiError::new(ProblemKind::UnsupportedMediaType, detail));
    }
    Ok(bytes)
}

/// Creates the response to a body that is not JSON of the right form.
pub(super) fn malformed_body(detail: &str) -> ApiError {
    ApiError::new(ProblemKind::MalformedBody, shortened(detail))
}

/// Returns whether the media type is JSON, regardless of parameters such as `charset`.
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Shortens a detail, because it may quote a whole body.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(MAX_DETAIL).collect()
}
