//! The status that every gRPC response must end with.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};
use http_body::{Body, Frame};

use crate::common::grpc::is_grpc;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Whether a response still needs a gRPC status.
///
/// Trailers get lost: a backend ends without them, or a client drops the fields above its size limit. The rest looks
/// like a complete response, and clients disagree on its meaning. So the layer adds the status that gRPC's own
/// libraries assume: INTERNAL (13) where the body ends without trailers, UNKNOWN (2) where the last headers have no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GrpcStatus {
    /// Nothing is to be added: it is no response of gRPC, it has its status, or its body failed.
    Settled,
    /// The status must be in the trailers, which have not arrived.
    Awaited,
    /// The body has ended without trailers, and the layer has added some. No frame follows.
    Added,
}

impl GrpcStatus {
    /// Returns the state of a gRPC response whose head has arrived: `Awaited` if it has a body and no status yet, else
    /// `Settled`. A head without a body and a status gets the status here.
    pub(super) fn from_response<R: Body>(response: &mut Response<R>) -> Self {
        if response.headers().contains_key(GRPC_STATUS) {
            return Self::Settled;
        }
        if response.body().is_end_stream() {
            add_status(response.headers_mut(), "2");
            return Self::Settled;
        }
        Self::Awaited
    }

    /// Adds the status to the end of a body that lacks one. `frame` is the next frame of the body.
    pub(super) fn complete<D, E>(&mut self, frame: &mut Option<Result<Frame<D>, E>>) {
        if *self != Self::Awaited {
            return;
        }
        match frame {
            Some(Ok(frame)) => {
                let Some(trailers) = frame.trailers_mut() else { return };
                if !trailers.contains_key(GRPC_STATUS) {
                    add_status(trailers, "2");
                }
                *self = Self::Settled;
            }
            // An error resets the stream, which clients see.
            Some(Err(_)) => *self = Self::Settled,
            None => {
                let mut trailers = HeaderMap::with_capacity(2);
                add_status(&mut trailers, "13");
                *frame = Some(Ok(Frame::trailers(trailers)));
                *self = Self::Added;
            }
        }
    }
}

/// Returns whether this is the response to a gRPC call that reached its server.
///
/// gRPC needs HTTP/2, so other responses skip the comparison of their content type. For another HTTP status, clients
/// make the gRPC status from that.
#[inline]
pub(super) fn is_grpc_response<R>(response: &Response<R>) -> bool {
    response.version() == Version::HTTP_2
        && response.status() == StatusCode::OK
        && is_grpc(response.headers())
}

/// Adds the status that a gRPC client would assume. The event is at `debug`: the counters show how often it
/// happens.
#[cold]
fn add_status(headers: &mut HeaderMap, status: &'static str) {
    tracing::debug!(status, "a gRPC response ended without a status");
    headers.insert(GRPC_STATUS, HeaderValue::from_static(status));
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static("the response ended without a status"));
}
