//! The problems that the proxy responds with. The table in the docs of [`proxy`](super) lists them.

use crate::common::problem::{StaticProblem, problem};

/// Two readers of the request could see different hosts, or none.
pub(super) const AMBIGUOUS_HOST: &StaticProblem =
    problem!(BAD_REQUEST 400, grpc 3, "ambiguous-host", "Ambiguous host", "send exactly one host");

/// The lengths of the request contradict each other, or its body ended too early.
pub(super) const MALFORMED_BODY: &StaticProblem = problem!(
    BAD_REQUEST 400, grpc 3, "malformed-body", "Malformed body",
    "the body broke off or is not framed as its head says"
);

/// The method is TRACE, which backends get only if the application allows it.
pub(super) const METHOD_NOT_ALLOWED: &StaticProblem = problem!(
    METHOD_NOT_ALLOWED 405, grpc 12, "method-not-allowed", "Method not allowed", "TRACE is not forwarded"
);

/// The request has more header fields than the proxy accepts.
pub(super) const TOO_MANY_HEADERS: &StaticProblem = problem!(
    REQUEST_HEADER_FIELDS_TOO_LARGE 431, grpc 8, "too-many-headers", "Too many headers",
    "the request has too many header fields"
);

/// The response timeout expired while the backend waited for the client.
pub(super) const REQUEST_TIMEOUT: &StaticProblem = problem!(
    REQUEST_TIMEOUT 408, grpc 4, "request-timeout", "Request timeout", "the body did not arrive in time"
);

/// The request is valid HTTP, but the proxy does not support it.
pub(super) const NOT_IMPLEMENTED: &StaticProblem = problem!(
    NOT_IMPLEMENTED 501, grpc 12, "not-implemented", "Not implemented",
    "neither CONNECT nor transfer codings other than chunked are supported"
);

/// The request passed this proxy before.
// INTERNAL, not UNAVAILABLE: clients retry the latter, and every retry would loop as well.
pub(super) const LOOP_DETECTED: &StaticProblem = problem!(
    LOOP_DETECTED 508, grpc 13, "loop-detected", "Loop detected", "the request came back to this gateway"
);

/// The client failed, or its response must not be forwarded.
pub(super) const BAD_GATEWAY: &StaticProblem = problem!(
    BAD_GATEWAY 502, grpc 14, "bad-gateway", "Bad gateway",
    "the backend could not be reached or its response was not valid"
);

/// A timeout expired while the proxy waited for the backend.
pub(super) const GATEWAY_TIMEOUT: &StaticProblem = problem!(
    GATEWAY_TIMEOUT 504, grpc 4, "gateway-timeout", "Gateway timeout", "the backend did not respond in time"
);
