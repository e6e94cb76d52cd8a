//! The responses of the layer to requests that it does not send.

use http::Response;

use super::body::ResponseBody;
use crate::common::problem::{StaticProblem, problem};
use crate::handle::NoChoice;

/// The reason why a request is not sent to a backend.
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

impl Rejection {
    /// Returns the response: a problem document, or a status in headers for gRPC.
    pub(super) fn response<B>(self, is_grpc: bool) -> Response<ResponseBody<B>> {
        self.problem().response(is_grpc).map(ResponseBody::from_bytes)
    }

    /// Returns the problem of this reason.
    ///
    /// gRPC clients retry UNAVAILABLE (14), which is right for a service that may be registered or
    /// activated soon. They do not retry INVALID_ARGUMENT (3).
    const fn problem(self) -> &'static StaticProblem {
        match self {
            Self::UnknownService => problem!(
                NOT_FOUND 404, grpc 14, "unknown-service", "Unknown service",
                "no service of this name is registered"
            ),
            Self::NoActiveVersion => problem!(
                SERVICE_UNAVAILABLE 503, grpc 14, "no-active-version", "No active version",
                "the service has no active version: activate one or switch to it"
            ),
            Self::UriTooLong => problem!(
                URI_TOO_LONG 414, grpc 3, "uri-too-long", "URI too long",
                "the path does not fit behind the base path of the version"
            ),
            Self::AmbiguousHost => problem!(
                BAD_REQUEST 400, grpc 3, "ambiguous-host", "Ambiguous host", "send exactly one Host header"
            ),
        }
    }
}
