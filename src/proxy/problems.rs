//! The problems that the proxy responds with.

use crate::common::problem::{Problem, problem};

pub(super) const AMBIGUOUS_HOST: &Problem =
    problem!(BAD_REQUEST 400, grpc 3, "ambiguous-host", "Ambiguous host", "send exactly one host");

pub(super) const MALFORMED_BODY: &Problem = problem!(
    BAD_REQUEST 400, grpc 3, "malformed-body", "Malformed body",
    "the body broke off or is not framed as its head says"
);

pub(super) const REQUEST_TIMEOUT: &Problem = problem!(
    REQUEST_TIMEOUT 408, grpc 4, "request-timeout", "Request timeout", "the body did not arrive in time"
);

pub(super) const NOT_IMPLEMENTED: &Problem = problem!(
    NOT_IMPLEMENTED 501, grpc 12, "not-implemented", "Not implemented",
    "neither CONNECT nor transfer codings other than chunked are supported"
);

// INTERNAL, not UNAVAILABLE: clients retry the latter, and every retry would loop as well.
pub(super) const LOOP_DETECTED: &Problem = problem!(
    LOOP_DETECTED 508, grpc 13, "loop-detected", "Loop detected", "the request came back to this gateway"
);

pub(super) const BAD_GATEWAY: &Problem = problem!(
    BAD_GATEWAY 502, grpc 14, "bad-gateway", "Bad gateway",
    "the backend could not be reached or its response was not valid"
);

pub(super) const GATEWAY_TIMEOUT: &Problem = problem!(
    GATEWAY_TIMEOUT 504, grpc 4, "gateway-timeout", "Gateway timeout", "the backend did not respond in time"
);
