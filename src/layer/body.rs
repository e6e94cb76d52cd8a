//! The body of [`WeightedVersion`](super::WeightedVersion)'s responses.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::grpc_status::GrpcStatus;
use crate::traffic::InFlight;

pin_project! {
    /// The response body: the client's own, frame by frame with its trailers, or a response of the layer.
    ///
    /// A gRPC response that ends without a status gets one: see [gRPC](super#grpc).
    ///
    /// The request counts as in flight until the body has ended, has failed or is dropped. Dropped before its end, the
    /// request counts as [`Cancelled`](crate::traffic::Outcome::Cancelled).
    ///
    /// See the [module docs](super) for an example.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<B> {
        Upstream {
            #[pin]
            body: B,
            in_flight: Option<InFlight>,
            grpc_status: GrpcStatus,
        },
        Local { bytes: Bytes },
    }
}

impl<B> ResponseBody<B> {
    /// Wraps the body of a backend. The guard lives as long as the body.
    pub(crate) const fn upstream(body: B, in_flight: Option<InFlight>) -> Self {
        Self { kind: Kind::Upstream { body, in_flight, grpc_status: GrpcStatus::Settled } }
    }

    /// Adds a status to a body that ends without the one it owes.
    pub(super) fn with_grpc_status(mut self, status: GrpcStatus) -> Self {
        if let Kind::Upstream { grpc_status, .. } = &mut self.kind {
            *grpc_status = status;
        }
        self
    }

    /// Creates the body of a response of the layer itself.
    pub(crate) const fn from_bytes(bytes: Bytes) -> Self {
        Self { kind: Kind::Local { bytes } }
    }

    /// Returns the client's body, or `None` for a response of the layer.
    ///
    /// The request is no longer in flight then. Unless the body has ended, the request counts as
    /// [`Cancelled`](crate::traffic::Outcome::Cancelled).
    #[must_use]
    pub fn into_inner(self) -> Option<B> {
        match self.kind {
            Kind::Upstream { body, .. } => Some(body),
            Kind::Local { .. } => None,
        }
    }
}

/// Records what `frame` means for the request: `rest` is the body after it.
///
/// The response is complete with its trailers or its last announced byte. A server asks for no frame after either, so the
/// end of the body itself may never be seen.
#[inline]
fn record_frame<B: Body>(
    in_flight: &mut Option<InFlight>,
    frame: Option<&Result<Frame<B::Data>, B::Error>>,
    rest: &B,
) {
    let Some(request) = in_flight else { return };
    match frame {
        Some(Ok(frame)) => match frame.trailers_ref() {
            Some(trailers) => {
                request.record_trailers(trailers);
                request.complete();
            }
            None if rest.is_end_stream() || rest.size_hint().exact() == Some(0) => request.complete(),
            None => {}
        },
        Some(Err(_)) => {
            request.fail();
            *in_flight = None;
        }
        None => {
            request.complete();
            *in_flight = None;
        }
    }
}

/// An empty body, which tower-http's `Timeout` needs for its response.
impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::from_bytes(Bytes::new())
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Upstream { grpc_status: GrpcStatus::Added, .. } => Poll::Ready(None),
            KindProj::Upstream { mut body, in_flight, grpc_status } => {
                let mut frame = ready!(body.as_mut().poll_frame(cx));
                record_frame(in_flight, frame.as_ref(), &*body);
                grpc_status.complete(&mut frame);
                Poll::Ready(frame)
            }
            KindProj::Local { bytes } if bytes.is_empty() => Poll::Ready(None),
            KindProj::Local { bytes } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes).into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Upstream { body, grpc_status, .. } => match grpc_status {
                GrpcStatus::Settled => body.is_end_stream(),
                GrpcStatus::Awaited => false,
                GrpcStatus::Added => true,
            },
            Kind::Local { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Upstream { body, .. } => body.size_hint(),
            Kind::Local { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}
