//! A response body without the trailers that end at the proxy.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::hop_by_hop::clean_response_trailers;
use crate::common::error::BoxError;

pin_project! {
    /// The frames of the client's body, with clean trailers.
    #[derive(Debug)]
    pub(super) struct CleanBody<B> {
        #[pin]
        body: B,
    }
}

impl<B> CleanBody<B> {
    /// Wraps the client's body.
    pub(super) const fn new(body: B) -> Self {
        Self { body }
    }

    /// Returns the client's body.
    pub(super) fn into_inner(self) -> B {
        self.body
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
