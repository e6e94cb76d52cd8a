//! What the gateway answers by itself.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

/// Why a request got no answer of a backend. Nothing internal is in it: that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Not exactly one `Host` header, or one that contradicts `:authority`: the request could be read in two ways.
    AmbiguousHost,
    /// The body broke off, or is not framed as its head says.
    MalformedBody,
    /// `CONNECT`, or a transfer coding other than `chunked`.
    NotImplemented,
    /// The request has been here before.
    Loop,
    /// The backend could not be reached, or broke off.
    BadGateway,
    /// The backend did not answer in time.
    GatewayTimeout,
}

impl Problem {
    /// A problem document (RFC 9457).
    pub(crate) fn response(self) -> Response<Bytes> {
        let (status, kind, title, detail) = self.parts();
        let document = serde_json::json!({
            "type": kind, "title": title, "status": status.as_u16(), "detail": detail,
        });
        let mut response = Response::new(document.to_string().into());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }

    const fn parts(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Self::AmbiguousHost => {
                (StatusCode::BAD_REQUEST, "ambiguous-host", "Ambiguous host", "send exactly one host")
            }
            Self::MalformedBody => (
                StatusCode::BAD_REQUEST,
                "malformed-body",
                "Malformed body",
                "the body broke off or is not framed as its head says",
            ),
            Self::NotImplemented => (
                StatusCode::NOT_IMPLEMENTED,
                "not-implemented",
                "Not implemented",
                "neither CONNECT nor transfer codings other than chunked are served",
            ),
            Self::Loop => (
                StatusCode::LOOP_DETECTED,
                "loop-detected",
                "Loop detected",
                "the request came back to this gateway",
            ),
            Self::BadGateway => (
                StatusCode::BAD_GATEWAY,
                "bad-gateway",
                "Bad gateway",
                "the backend could not be reached or broke off",
            ),
            Self::GatewayTimeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "gateway-timeout",
                "Gateway timeout",
                "the backend did not answer in time",
            ),
        }
    }
}
