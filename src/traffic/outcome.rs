//! How a request ended.

use http::{HeaderMap, HeaderName, StatusCode};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// How a request ended: by the status of its answer, once the answer's body has ended as well; or without that.
///
/// A gRPC answer counts by its `grpc-status`, as the status of HTTP that
/// [google.rpc.Code](https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto) maps it to: `UNAVAILABLE`
/// as 503, `NOT_FOUND` as 404. One that ends without is `UNKNOWN`, as for its client.
///
/// ```
/// use http::StatusCode;
/// use tower_canary::traffic::Outcome;
///
/// assert_eq!(Outcome::from_status(StatusCode::BAD_GATEWAY), Outcome::ServerError);
/// assert_eq!(Outcome::ServerError.as_str(), "5xx");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// `1xx`: the protocol was switched, as for a WebSocket.
    Informational,
    /// `2xx`.
    Success,
    /// `3xx`.
    Redirection,
    /// `4xx`.
    ClientError,
    /// `5xx`, and whatever is above.
    ServerError,
    /// There was no answer but an error of the client service, or the answer's body failed.
    Error,
    /// Whoever sent the request went away before its answer had ended.
    Cancelled,
}

impl Outcome {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Informational,
        Self::Success,
        Self::Redirection,
        Self::ClientError,
        Self::ServerError,
        Self::Error,
        Self::Cancelled,
    ];

    /// That of a whole answer with this status.
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

    /// As it is written in answers and figures: `1xx` to `5xx`, `error`, `cancelled`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "1xx",
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    /// That of a gRPC call whose last headers or trailers these are; `None` where they are not.
    pub(crate) fn of_grpc(trailers: &HeaderMap) -> Option<Self> {
        Some(match trailers.get(GRPC_STATUS)?.as_bytes() {
            b"0" => Self::Success,
            // CANCELLED, INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, RESOURCE_EXHAUSTED,
            // FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNAUTHENTICATED.
            b"1" | b"3" | b"5" | b"6" | b"7" | b"8" | b"9" | b"10" | b"11" | b"16" => Self::ClientError,
            _ => Self::ServerError,
        })
    }
}
