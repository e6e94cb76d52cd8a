//! The body of [`WeightedVersion`](super::WeightedVersion)'s responses.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::traffic::InFlightGuard;

pin_project! {
    /// The body of a response: the client's own, frame by frame with its trailers, or an answer of the layer.
    ///
    /// The request counts as in flight until the body has ended, has failed or is dropped.
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
        Upstream { #[pin] body: B, in_flight: Option<InFlightGuard> },
        Local { bytes: Bytes },
    }
}

impl<B> ResponseBody<B> {
    pub(super) const fn upstream(body: B, in_flight: Option<InFlightGuard>) -> Self {
        Self { kind: Kind::Upstream { body, in_flight } }
    }

    pub(super) const fn of_bytes(bytes: Bytes) -> Self {
        Self { kind: Kind::Local { bytes } }
    }

    /// The client's body, which is then no longer counted as in flight; `None` for an answer of the layer.
    #[must_use]
    pub fn into_inner(self) -> Option<B> {
        match self.kind {
            Kind::Upstream { body, .. } => Some(body),
            Kind::Local { .. } => None,
        }
    }
}

/// Empty: what tower-http's `Timeout` answers with.
impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::of_bytes(Bytes::new())
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
            KindProj::Upstream { body, in_flight } => {
                let frame = ready!(body.poll_frame(cx));
                if !matches!(frame, Some(Ok(_))) {
                    *in_flight = None;
                }
                Poll::Ready(frame)
            }
            KindProj::Local { bytes } if bytes.is_empty() => Poll::Ready(None),
            KindProj::Local { bytes } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes).into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Upstream { body, .. } => body.is_end_stream(),
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
