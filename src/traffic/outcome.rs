//! How a request ended.

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, HeaderName, StatusCode};
use thiserror::Error;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// How a request ended: by the status of its response if the response body ended too, else without one.
///
/// A gRPC response counts by its `grpc-status`, as the HTTP status that
/// [google.rpc.Code](https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto) maps it to: `UNAVAILABLE`
/// as 503, `NOT_FOUND` as 404. A gRPC response that ends without a status counts as `UNKNOWN`, as its client sees it.
///
/// ```
/// use http::StatusCode;
/// use tower_canary::traffic::Outcome;
///
/// assert_eq!(Outcome::from_status(StatusCode::BAD_GATEWAY), Outcome::ServerError);
/// assert_eq!(Outcome::ServerError.to_string(), "5xx");
/// assert_eq!("abandoned".parse(), Ok(Outcome::Abandoned));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// `1xx`: the protocol was switched, for example to a WebSocket.
    Informational,
    /// `2xx`.
    Success,
    /// `3xx`.
    Redirection,
    /// `4xx`.
    ClientError,
    /// `5xx` and above.
    ServerError,
    /// The client service returned an error, or the response body failed.
    Error,
    /// The client left before the response head arrived.
    ///
    /// Its connection may have closed, but a time limit outside of the layer does the same, such as tower-http's
    /// `TimeoutLayer`. So count these against a version that is slower than the others.
    Abandoned,
    /// The client left after the response head and before the end of the response body, or it did not send the whole
    /// request body.
    Cancelled,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: &'static [Self] = &[
        Self::Informational,
        Self::Success,
        Self::Redirection,
        Self::ClientError,
        Self::ServerError,
        Self::Error,
        Self::Abandoned,
        Self::Cancelled,
    ];

    /// Classifies a complete response by its status code.
    #[must_use]
    pub fn from_status(status: StatusCode) -> Self {
        match status.as_u16() {
            ..200 => Self::Informational,
            200..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }

    /// Returns the word for JSON, metrics and logs: `1xx` to `5xx`, `error`, `abandoned` or `cancelled`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "1xx",
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::Error => "error",
            Self::Abandoned => "abandoned",
            Self::Cancelled => "cancelled",
        }
    }

    /// Classifies a gRPC response by the headers or trailers that hold its status, or returns `None` if they hold none.
    pub(crate) fn from_grpc_status(trailers: &HeaderMap) -> Option<Self> {
        Some(match trailers.get(GRPC_STATUS)?.as_bytes() {
            b"0" => Self::Success,
            // CANCELLED, INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, RESOURCE_EXHAUSTED,
            // FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNAUTHENTICATED.
            b"1" | b"3" | b"5" | b"6" | b"7" | b"8" | b"9" | b"10" | b"11" | b"16" => Self::ClientError,
            _ => Self::ServerError,
        })
    }
}

/// Returns whether these headers or trailers hold the gRPC status `UNAVAILABLE`.
pub(super) fn is_grpc_unavailable(trailers: &HeaderMap) -> bool {
    trailers.get(GRPC_STATUS).is_some_and(|status| status.as_bytes() == b"14")
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<StatusCode> for Outcome {
    fn from(status: StatusCode) -> Self {
        Self::from_status(status)
    }
}

impl FromStr for Outcome {
    type Err = InvalidOutcome;

    fn from_str(text: &str) -> Result<Self, InvalidOutcome> {
        Self::ALL.iter().find(|outcome| outcome.as_str() == text).copied().ok_or(InvalidOutcome)
    }
}

/// A text that is not the word of an [`Outcome`].
///
/// ```
/// use tower_canary::traffic::Outcome;
///
/// let error = "200".parse::<Outcome>().unwrap_err();
/// assert_eq!(error.to_string(), "not an outcome: use 1xx to 5xx, error, abandoned or cancelled");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an outcome: use 1xx to 5xx, error, abandoned or cancelled")]
#[non_exhaustive]
pub struct InvalidOutcome;
