//! The body of [`WeightedVersion`](super::WeightedVersion)'s responses.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::traffic::Flight;

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
        Upstream { #[pin] body: B, flight: Option<Flight>, clean: Option<fn(&mut HeaderMap)> },
        Local { bytes: Bytes },
    }
}

impl<B> ResponseBody<B> {
    pub(crate) const fn upstream(body: B, flight: Option<Flight>) -> Self {
        Self { kind: Kind::Upstream { body, flight, clean: None } }
    }

    /// Has `clean` take out of trailers what may not pass.
    #[cfg(feature = "proxy")]
    pub(crate) fn with_trailers(mut self, cleaning: fn(&mut HeaderMap)) -> Self {
        if let Kind::Upstream { clean, .. } = &mut self.kind {
            *clean = Some(cleaning);
        }
        self
    }

    pub(crate) const fn from_bytes(bytes: Bytes) -> Self {
        Self { kind: Kind::Local { bytes } }
    }

    /// The client's body, which is then no longer counted as in flight, and counts as cancelled unless it has ended; `None`
    /// for an answer of the layer.
    #[must_use]
    pub fn into_inner(self) -> Option<B> {
        match self.kind {
            Kind::Upstream { body, .. } => Some(body),
            Kind::Local { .. } => None,
        }
    }
}

/// Notes how the request goes on by what came of its answer.
///
/// A server does not ask for more once trailers came, or as many bytes as were announced.
#[inline]
fn note<B: Body>(flight: &mut Option<Flight>, frame: Option<&Result<Frame<B::Data>, B::Error>>, rest: &B) {
    let Some(noted) = flight else { return };
    match frame {
        Some(Ok(frame)) => match frame.trailers_ref() {
            Some(trailers) => {
                noted.trailers(trailers);
                noted.completed();
            }
            None if rest.is_end_stream() || rest.size_hint().exact() == Some(0) => noted.completed(),
            None => {}
        },
        Some(Err(_)) => {
            noted.failed();
            *flight = None;
        }
        None => {
            noted.completed();
            *flight = None;
        }
    }
}

/// Empty: what tower-http's `Timeout` answers with.
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
            KindProj::Upstream { mut body, flight, clean } => {
                let mut frame = ready!(body.as_mut().poll_frame(cx));
                note(flight, frame.as_ref(), &*body);
                if let (Some(clean), Some(Ok(frame))) = (clean, &mut frame)
                    && let Some(trailers) = frame.trailers_mut()
                {
                    clean(trailers);
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
