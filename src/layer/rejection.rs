//! The responses of the layer to requests that it does not send.

use http::header::RETRY_AFTER;
use http::{HeaderValue, Response};

use super::body::ResponseBody;
use crate::common::problem::{ProblemForm, StaticProblem, problem};
use crate::handle::NoChoice;

/// The reason why a request is not sent to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    UnknownService,
    NoActiveVersion,
    NoInstance,
    UriTooLong,
    DotSegment,
    AmbiguousHost,
}

impl From<NoChoice> for Rejection {
    fn from(no_choice: NoChoice) -> Self {
        match no_choice {
            NoChoice::UnknownService => Self::UnknownService,
            NoChoice::NoActiveVersion => Self::NoActiveVersion,
            NoChoice::NoInstance => Self::NoInstance,
        }
    }
}

impl Rejection {
    /// Returns the response: a problem document, or a status in headers for gRPC.
    pub(super) fn response<B>(self, form: ProblemForm) -> Response<ResponseBody<B>> {
        let mut response = self.problem().response(form).map(ResponseBody::from_bytes);
        if self == Self::NoInstance && form != ProblemForm::Grpc {
            // An instance comes back within a few checks. gRPC clients have a policy of their own for UNAVAILABLE.
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }

    /// Returns the problem of this reason.
    ///
    /// gRPC clients retry UNAVAILABLE (14), which is right for a service that may be registered,
    /// activated or usable soon. They do not retry INVALID_ARGUMENT (3).
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
            Self::NoInstance => problem!(
                SERVICE_UNAVAILABLE 503, grpc 14, "no-instance", "No usable instance",
                "no instance of the version is usable: try again later"
            ),
            Self::UriTooLong => problem!(
                URI_TOO_LONG 414, grpc 3, "uri-too-long", "URI too long",
                "the path does not fit behind the base path of the version"
            ),
            Self::DotSegment => problem!(
                BAD_REQUEST 400, grpc 3, "dot-segment", "Dot segment in the path",
                "the version has a base path, which a '.' or '..' segment could leave: resolve the path before"
            ),
            Self::AmbiguousHost => problem!(
                BAD_REQUEST 400, grpc 3, "ambiguous-host", "Ambiguous host", "send exactly one Host header"
            ),
        }
    }
}
