//! What the layer answers by itself.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Response, StatusCode};

use super::body::ResponseBody;
use crate::handle::NoChoice;

/// Why a request was not sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    UnknownService,
    NoActiveVersion,
    UriTooLong,
    AmbiguousHost,
}

impl From<NoChoice> for Rejection {
    fn from(none: NoChoice) -> Self {
        match none {
            NoChoice::UnknownService => Self::UnknownService,
            NoChoice::NoActiveVersion => Self::NoActiveVersion,
        }
    }
}

macro_rules! problem {
    ($type:literal, $title:literal, $status:literal, $detail:literal) => {
        concat!(
            r#"{"type":""#,
            $type,
            r#"","title":""#,
            $title,
            r#"","status":"#,
            $status,
            r#","detail":""#,
            $detail,
            r#""}"#
        )
    };
}

impl Rejection {
    /// The answer: a problem document (RFC 9457), or a trailers-only gRPC response.
    pub(super) fn response<B>(self, grpc: bool) -> Response<ResponseBody<B>> {
        let (status, kind, problem) = self.parts();
        let mut response = Response::new(ResponseBody::local(if grpc { "" } else { problem }));
        let headers = response.headers_mut();
        if grpc {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert("grpc-status", HeaderValue::from_static(self.grpc_status()));
            headers.insert("grpc-message", HeaderValue::from_static(kind));
        } else {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
            *response.status_mut() = status;
        }
        response
    }

    /// UNAVAILABLE, which clients try again, or INVALID_ARGUMENT, which they do not.
    const fn grpc_status(self) -> &'static str {
        match self {
            Self::UnknownService | Self::NoActiveVersion => "14",
            Self::UriTooLong | Self::AmbiguousHost => "3",
        }
    }

    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::UnknownService => (
                StatusCode::NOT_FOUND,
                "unknown-service",
                problem!("unknown-service", "Unknown service", 404, "no service of this name is registered"),
            ),
            Self::NoActiveVersion => (
                StatusCode::SERVICE_UNAVAILABLE,
                "no-active-version",
                problem!(
                    "no-active-version",
                    "No active version",
                    503,
                    "the service has no active version: activate one or switch to it"
                ),
            ),
            Self::UriTooLong => (
                StatusCode::URI_TOO_LONG,
                "uri-too-long",
                problem!(
                    "uri-too-long",
                    "URI too long",
                    414,
                    "the path does not fit behind the base path of the version"
                ),
            ),
            Self::AmbiguousHost => (
                StatusCode::BAD_REQUEST,
                "ambiguous-host",
                problem!("ambiguous-host", "Ambiguous host", 400, "send exactly one Host header"),
            ),
        }
    }
}

/// Whether a request with these headers wants a gRPC answer.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let rest = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

impl<B> ResponseBody<B> {
    fn local(text: &'static str) -> Self {
        Self::of_bytes(Bytes::from_static(text.as_bytes()))
    }
}
