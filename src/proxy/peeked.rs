//! A response body whose first frame is read ahead.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::clean_body::CleanBody;
use super::watch::RecordIdle;
use crate::common::error::BoxError;
use crate::traffic::{Outcome, ProxyOutcome};

pin_project! {
    /// The frames of a response body. [`peek`](Self::peek) reads the first one ahead.
    pub(super) struct Peeked<B>
    where
        B: Body,
    {
        #[pin]
        body: CleanBody<B>,
        // What the body gave when it was read ahead, until the reader takes it.
        ahead: Option<Ahead<B::Data>>,
        // Only where a watch may end the body: while the outcome exists, the request is in flight.
        outcome: Option<ProxyOutcome>,
    }
}

/// What a body gave first.
pub(super) struct Ahead<D> {
    frame: Option<Result<Frame<D>, BoxError>>,
    /// The size of the body before it was read.
    size_hint: SizeHint,
}

impl<B> Peeked<B>
where
    B: Body<Error: Into<BoxError>>,
{
    /// Wraps a body of which nothing was read.
    pub(super) const fn new(body: B) -> Self {
        Self { body: CleanBody::new(body), ahead: None, outcome: None }
    }

    /// Reads the first frame ahead, if it is there. Returns it if the body has ended with it.
    ///
    /// Otherwise `cx` is woken for the next frame, unless another task polls the body before.
    pub(super) fn peek(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Ahead<B::Data>> {
        let mut this = self.project();
        let size_hint = this.body.size_hint();
        let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) else { return None };
        let has_ended = !matches!(frame, Some(Ok(_))) || this.body.is_end_stream();
        let ahead = Ahead { frame, size_hint };
        if has_ended {
            return Some(ahead);
        }
        *this.ahead = Some(ahead);
        None
    }

    /// Sets where a watch records that it has ended the body.
    pub(super) fn set_outcome(self: Pin<&mut Self>, outcome: ProxyOutcome) {
        *self.project().outcome = Some(outcome);
    }
}

impl<D> Ahead<D> {
    /// Returns what the body gave. `None`: it was empty.
    pub(super) fn into_frame(self) -> Option<Result<Frame<D>, BoxError>> {
        self.frame
    }

    /// Returns the size of the body.
    pub(super) const fn size_hint(&self) -> SizeHint {
        self.size_hint
    }
}

impl<B> Body for Peeked<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        match this.ahead.take() {
            Some(ahead) => Poll::Ready(ahead.into_frame()),
            None => this.body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.ahead {
            Some(ahead) => ahead.size_hint(),
            None => self.body.size_hint(),
        }
    }
}

impl<B: Body> RecordIdle for Peeked<B> {
    fn record_idle(&self, is_waiting: bool) {
        if let Some(outcome) = &self.outcome {
            outcome.set(if is_waiting { Outcome::Error } else { Outcome::Cancelled });
        }
    }
}

impl<B: Body + fmt::Debug> fmt::Debug for Peeked<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peeked").field("body", &self.body).finish_non_exhaustive()
    }
}
