//! The body of a response on its way to the client.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::clean_body::CleanBody;
use super::peeked::{Ahead, Peeked};
use super::watch::{IdleLimit, PendingWatch, Watched};
use crate::common::error::BoxError;
use crate::traffic::ProxyOutcome;

pin_project! {
    /// The response body of [`Proxy`](super::Proxy): the client's own, or a problem document.
    ///
    /// It passes on the frames of the client's body `B`. Trailers lose hop-by-hop fields and fields that are not allowed
    /// there. The body fails if no frame moves for the [idle time](super::Proxy::with_body_idle_timeout).
    ///
    /// See the [module docs](super) for an example.
    pub struct ProxyBody<B>
    where
        B: Body,
    {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B>
    where
        B: Body,
    {
        // Nothing is allocated for it.
        Plain { #[pin] body: CleanBody<B> },
        // The only frame of a body that has ended, until it is read.
        Complete { ahead: Option<Ahead<B::Data>> },
        Watched { body: Arc<Watched<Peeked<B>>> },
        Local { bytes: Bytes },
    }
}

impl<B: Body> ProxyBody<B> {
    /// Returns the client's body, or `None` for a response of the proxy. A body with an
    /// [idle time](super::Proxy::with_body_idle_timeout) is shared or read ahead, and not returned either.
    #[must_use]
    pub fn into_inner(self) -> Option<B> {
        match self.kind {
            Kind::Plain { body } => Some(body.into_inner()),
            Kind::Complete { .. } | Kind::Watched { .. } | Kind::Local { .. } => None,
        }
    }

    /// Creates the body of a response without an idle time.
    pub(super) const fn plain(body: B) -> Self {
        Self { kind: Kind::Plain { body: CleanBody::new(body) } }
    }

    /// Creates the body of a response that has ended with what was read ahead.
    pub(super) const fn complete(ahead: Ahead<B::Data>) -> Self {
        Self { kind: Kind::Complete { ahead: Some(ahead) } }
    }

    /// Creates the body of a response of the proxy.
    pub(super) const fn local(bytes: Bytes) -> Self {
        Self { kind: Kind::Local { bytes } }
    }
}

impl<B> ProxyBody<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// Creates the body of a response with an idle time, and starts its watch. It records in `outcome` if it ends the body.
    pub(super) fn watched(
        mut body: Pin<Box<Peeked<B>>>,
        outcome: ProxyOutcome,
        watch: PendingWatch,
        limit: &IdleLimit,
    ) -> Self {
        body.as_mut().set_outcome(outcome);
        Self { kind: Kind::Watched { body: watch.start(body, limit) } }
    }
}

impl<B: Body> fmt::Debug for ProxyBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Plain { .. } => "plain",
            Kind::Complete { .. } => "complete",
            Kind::Watched { .. } => "watched",
            Kind::Local { .. } => "local",
        };
        f.debug_struct("ProxyBody").field("kind", &kind).finish_non_exhaustive()
    }
}

/// An empty body, which tower-http's `Timeout` needs for its response.
impl<B: Body> Default for ProxyBody<B> {
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
            KindProj::Plain { body } => body.poll_frame(cx),
            KindProj::Complete { ahead } => Poll::Ready(ahead.take().and_then(Ahead::into_frame)),
            KindProj::Watched { body } => body.poll_frame(cx),
            KindProj::Local { bytes } if bytes.is_empty() => Poll::Ready(None),
            KindProj::Local { bytes } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes).into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Plain { body } => body.is_end_stream(),
            Kind::Complete { ahead } => ahead.is_none(),
            Kind::Watched { body } => body.is_end_stream(),
            Kind::Local { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Plain { body } => body.size_hint(),
            Kind::Complete { ahead } => {
                ahead.as_ref().map_or_else(|| SizeHint::with_exact(0), Ahead::size_hint)
            }
            Kind::Watched { body } => body.size_hint(),
            Kind::Local { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}
