//! What the proxy answers by itself, and why.

use std::io;

use super::complaints::Cause;
use crate::common::error::chain;
use crate::common::problem::{Problem, problem};

pub(super) const AMBIGUOUS_HOST: &Problem =
    problem!(BAD_REQUEST 400, grpc 3, "ambiguous-host", "Ambiguous host", "send exactly one host");

pub(super) const MALFORMED_BODY: &Problem = problem!(
    BAD_REQUEST 400, grpc 3, "malformed-body", "Malformed body",
    "the body broke off or is not framed as its head says"
);

pub(super) const REQUEST_TIMEOUT: &Problem = problem!(
    REQUEST_TIMEOUT 408, grpc 4, "request-timeout", "Request timeout", "the body did not come in time"
);

pub(super) const NOT_IMPLEMENTED: &Problem = problem!(
    NOT_IMPLEMENTED 501, grpc 12, "not-implemented", "Not implemented",
    "neither CONNECT nor transfer codings other than chunked are served"
);

// Not UNAVAILABLE, which clients try again: the next attempt would come round as well.
pub(super) const LOOP_DETECTED: &Problem = problem!(
    LOOP_DETECTED 508, grpc 13, "loop-detected", "Loop detected", "the request came back to this gateway"
);

pub(super) const BAD_GATEWAY: &Problem = problem!(
    BAD_GATEWAY 502, grpc 14, "bad-gateway", "Bad gateway", "the backend could not be reached or broke off"
);

pub(super) const GATEWAY_TIMEOUT: &Problem = problem!(
    GATEWAY_TIMEOUT 504, grpc 4, "gateway-timeout", "Gateway timeout", "the backend did not answer in time"
);

/// What a client is told of `error`.
pub(super) fn no_answer(error: Cause<'_>) -> &'static Problem {
    if chain(error).any(is_timeout) { GATEWAY_TIMEOUT } else { BAD_GATEWAY }
}

fn is_timeout(error: Cause<'_>) -> bool {
    let of_io = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
    error.downcast_ref().is_some_and(of_io)
        || error.downcast_ref().is_some_and(hyper::Error::is_timeout)
        || error.is::<tower::timeout::error::Elapsed>()
        || error.is::<tokio::time::error::Elapsed>()
}
