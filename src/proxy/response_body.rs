//! The body of a response on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::hop_by_hop::clean_response_trailers;
use super::maybe_watched::MaybeWatched;
use super::watch::{IdleLimit, PendingWatch, RecordIdle};
use crate::common::error::BoxError;
use crate::traffic::{Outcome, ProxyOutcome};

pin_project! {
    /// The response body of [`Proxy`](super::Proxy): the client's own, or a problem document.
    ///
    /// It passes on the frames of the client's body `B`. Trailers lose hop-by-hop fields and fields that are not allowed
    /// there. The body fails if no frame moves for the [idle time](super::Proxy::with_body_idle_timeout).
    ///
    /// See the [module docs](super) for an example.
    #[derive(Debug)]
    pub struct ProxyBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<B> {
        Upstream { #[pin] body: MaybeWatched<CleanBody<B>> },
        Local { bytes: Bytes },
    }
}

pin_project! {
    /// The frames of the client's body, with clean trailers.
    #[derive(Debug)]
    pub(super) struct CleanBody<B> {
        #[pin]
        body: B,
        // Only where a watch may end the body: while the outcome exists, the request is in flight.
        outcome: Option<ProxyOutcome>,
    }
}

impl<B> ProxyBody<B> {
    /// Returns the client's body, or `None` for a response of the proxy. A body with an
    /// [idle time](super::Proxy::with_body_idle_timeout) is shared and not returned either.
    #[must_use]
    pub fn into_inner(self) -> Option<B> {
        match self.kind {
            Kind::Upstream { body } => body.into_plain().map(|body| body.body),
            Kind::Local { .. } => None,
        }
    }

    /// Creates the body of a response without an idle time.
    pub(super) const fn plain(body: B) -> Self {
        let body = MaybeWatched::Plain { body: CleanBody { body, outcome: None } };
        Self { kind: Kind::Upstream { body } }
    }

    /// Creates the body of a response of the proxy.
    pub(super) const fn local(bytes: Bytes) -> Self {
        Self { kind: Kind::Local { bytes } }
    }
}

impl<B: Send + 'static> ProxyBody<B> {
    /// Creates the body of a response with an idle time, and starts its watch.
    pub(super) fn watched(body: B, outcome: ProxyOutcome, watch: PendingWatch, limit: &IdleLimit) -> Self {
        let body = watch.start(CleanBody { body, outcome: Some(outcome) }, limit);
        Self { kind: Kind::Upstream { body: MaybeWatched::Watched { body } } }
    }
}

/// An empty body, which tower-http's `Timeout` needs for its response.
impl<B> Default for ProxyBody<B> {
    fn default() -> Self {
        Self::local(Bytes::new())
    }
}

impl<B> Body for ProxyBody<B>
where
    B: Body<Data: From<Bytes>, Error: Into<BoxError>>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        match self.project().kind.project() {
            KindProj::Upstream { body } => body.poll_frame(cx),
            KindProj::Local { bytes } if bytes.is_empty() => Poll::Ready(None),
            KindProj::Local { bytes } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes).into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Upstream { body } => body.is_end_stream(),
            Kind::Local { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Upstream { body } => body.size_hint(),
            Kind::Local { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

impl<B> Body for CleanBody<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut frame = ready!(self.project().body.poll_frame(cx));
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            clean_response_trailers(trailers);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> RecordIdle for CleanBody<B> {
    fn record_idle(&self, is_waiting: bool) {
        if let Some(outcome) = &self.outcome {
            outcome.set(if is_waiting { Outcome::Error } else { Outcome::Cancelled });
        }
    }
}
