//! The body of a request on its way to a backend.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use sync_wrapper::SyncWrapper;
use thiserror::Error;
use tokio::time::Sleep;

use super::hop_by_hop::clean_request_trailers;
use super::progress::RequestProgress;
use crate::common::error::BoxError;

pin_project! {
    /// The request body that a [`Proxy`](super::Proxy) gives to its client.
    ///
    /// It passes on the frames of the server's body `B`, with its trailers. Trailers lose the
    /// fields that are not allowed there, and those that describe the client. The body fails if
    /// its client stalls it for longer than the
    /// [response timeout](super::Proxy::with_response_timeout).
    ///
    /// It is [`Sync`] whether or not `B` is, so clients that require it can take it, such as
    /// reqwest by `reqwest::Body::wrap`: see [reqwest](super#reqwest).
    ///
    /// See the [module docs](super) for an example.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        // `SyncWrapper` gives no access to `B` by `&self`, so the two values that `Body` returns by
        // `&self` are copied after each frame.
        #[pin]
        body: SyncWrapper<B>,
        is_end_stream: bool,
        size_hint: SizeHint,
        progress: RequestProgress,
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
        self.body.into_inner()
    }
}

impl<B: Body> RequestBody<B> {
    pub(super) fn new(body: B, progress: RequestProgress) -> Self {
        Self {
            is_end_stream: body.is_end_stream(),
            size_hint: body.size_hint(),
            body: SyncWrapper::new(body),
            progress,
            sleep: None,
        }
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
        let mut body = this.body.get_pin_mut();
        let Poll::Ready(mut frame) = body.as_mut().poll_frame(cx) else {
            this.progress.record_wait();
            ready!(this.progress.poll_stalled(this.sleep, cx));
            return Poll::Ready(Some(Err(Stalled(()).into())));
        };
        *this.is_end_stream = body.is_end_stream();
        *this.size_hint = body.size_hint();
        this.progress.record_frame(frame.as_ref());
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            clean_request_trailers(trailers);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_end_stream
    }

    fn size_hint(&self) -> SizeHint {
        self.size_hint
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::RequestBody;

    #[test]
    fn request_body_is_always_sync() {
        fn assert_sync<T: Sync>() {}
        // A cell is `Send` but not `Sync`, like `axum::body::Body`.
        assert_sync::<RequestBody<Cell<()>>>();
        assert_sync::<RequestBody<axum::body::Body>>();
    }
}
