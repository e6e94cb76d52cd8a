//! The body of a request on its way to a backend.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use thiserror::Error;
use tokio::time::Sleep;

use super::hop_by_hop::clean_request_trailers;
use super::progress::Progress;
use crate::common::error::BoxError;

pin_project! {
    /// The request body that a [`Proxy`](super::Proxy) gives to its client.
    ///
    /// It passes on the frames of the server's body `B`, with its trailers. Trailers lose the
    /// fields that are not allowed there, and those that describe the client. The body fails if
    /// its client stalls it for longer than the
    /// [response timeout](super::Proxy::with_response_timeout).
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        body: B,
        progress: Progress,
        // Created when the body first waits for its client: most bodies are complete before that.
        sleep: Option<Pin<Box<Sleep>>>,
    }
}

/// The client did not send the rest of its body in time.
#[derive(Debug, Error)]
#[error("the client did not send the rest of the body in time")]
struct Stalled(());

impl<B> RequestBody<B> {
    /// Returns the server's body.
    pub fn into_inner(self) -> B {
        self.body
    }
}

impl<B: Body> RequestBody<B> {
    pub(super) fn new(body: B, progress: Progress) -> Self {
        Self { body, progress, sleep: None }
    }
}

impl<B> Body for RequestBody<B>
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
        let Poll::Ready(mut frame) = this.body.poll_frame(cx) else {
            this.progress.record_wait();
            ready!(this.progress.poll_stalled(this.sleep, cx));
            return Poll::Ready(Some(Err(Stalled(()).into())));
        };
        this.progress.record_frame(frame.as_ref());
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            clean_request_trailers(trailers);
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
