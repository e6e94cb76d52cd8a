//! The body of a request on its way to a backend.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use sync_wrapper::SyncWrapper;
use thiserror::Error;
use tokio::time::Sleep;

use super::hop_by_hop::clean_request_trailers;
use super::maybe_watched::MaybeWatched;
use super::progress::RequestProgress;
use super::watch::{PendingWatch, RecordIdle};
use crate::common::error::BoxError;
use crate::traffic::Outcome;

pin_project! {
    /// The request body that a [`Proxy`](super::Proxy) gives to its client.
    ///
    /// It passes on the frames of the server's body `B`, with its trailers. Trailers lose the
    /// fields that are not allowed there, and those that describe the client. The body fails if
    /// - its client stalls it for longer than the
    ///   [response timeout](super::Proxy::with_response_timeout),
    /// - no frame moves for the [idle time](super::Proxy::with_body_idle_timeout),
    /// - it ends before its [end](super::Proxy::with_unreported_body_end) was received.
    ///
    /// It is [`Sync`] whether or not `B` is, so clients that require it can take it, such as
    /// reqwest by `reqwest::Body::wrap`: see [reqwest](super#reqwest).
    ///
    /// See the [module docs](super) for an example.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        body: MaybeWatched<CheckedBody<B>>,
    }
}

pin_project! {
    /// The frames of the server's body, checked and timed.
    #[derive(Debug)]
    pub(super) struct CheckedBody<B> {
        // `SyncWrapper` gives no access to `B` by `&self`, so the two values that `Body` returns by
        // `&self` are copied after each frame.
        #[pin]
        body: SyncWrapper<B>,
        is_end_stream: bool,
        size_hint: SizeHint,
        // Whether the body says of itself that it has ended.
        reports_end: bool,
        progress: RequestProgress,
        // Created when the body first waits for its client: most bodies are complete before that.
        sleep: Option<Pin<Box<Sleep>>>,
    }
}

/// The error of a body whose client did not send the rest in time.
#[derive(Debug, Error)]
#[error("the client did not send the rest of the body in time")]
struct BodyStalled(());

/// The error of a body whose frames ended before the body did.
#[derive(Debug, Error)]
#[error(
    "the client ended the request before its body, or a middleware hides the end of the body: see \
     Proxy::with_unreported_body_end"
)]
struct BodyTruncated(());

impl<B> RequestBody<B> {
    /// Returns the server's body, or `None` if it has an
    /// [idle time](super::Proxy::with_body_idle_timeout), since it is shared then.
    #[must_use]
    pub fn into_inner(self) -> Option<B> {
        self.body.into_plain().map(|body| body.body.into_inner())
    }

    /// Wraps a body without an idle time.
    pub(super) const fn plain(body: CheckedBody<B>) -> Self {
        Self { body: MaybeWatched::Plain { body } }
    }
}

impl<B: Send + 'static> RequestBody<B> {
    /// Wraps a body that the watch may end.
    pub(super) fn watched(body: CheckedBody<B>, watch: &mut PendingWatch) -> Self {
        Self { body: MaybeWatched::Watched { body: watch.watch_request(body) } }
    }
}

impl<B: Body> CheckedBody<B> {
    /// Wraps `body`, and records how far it is in `progress`.
    ///
    /// `reports_end` is whether `body` reports its end by `is_end_stream`. Frames that stop before that are an error then.
    pub(super) fn new(body: B, progress: RequestProgress, reports_end: bool) -> Self {
        Self {
            is_end_stream: body.is_end_stream(),
            size_hint: body.size_hint(),
            body: SyncWrapper::new(body),
            reports_end,
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
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Body for CheckedBody<B>
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
        let Poll::Ready(frame) = body.as_mut().poll_frame(cx) else {
            this.progress.record_wait();
            ready!(this.progress.poll_stalled(this.sleep, cx));
            return Poll::Ready(Some(Err(BodyStalled(()).into())));
        };
        *this.is_end_stream = body.is_end_stream();
        *this.size_hint = body.size_hint();
        let mut frame = match frame {
            // hyper ends a body that an HTTP/2 client reset with NO_ERROR as if it were complete.
            None if is_truncated(*this.reports_end && !*this.is_end_stream, this.size_hint) => {
                tracing::debug!("{}", BodyTruncated(()));
                Some(Err(BodyTruncated(()).into()))
            }
            frame => frame.map(|frame| frame.map_err(Into::into)),
        };
        this.progress.record_frame(frame.as_ref());
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            clean_request_trailers(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.is_end_stream
    }

    fn size_hint(&self) -> SizeHint {
        self.size_hint
    }
}

/// Returns whether frames ended too early: the end is missing, or bytes that were announced.
fn is_truncated(lacks_end: bool, rest: &SizeHint) -> bool {
    lacks_end || rest.lower() > 0
}

impl<B> RecordIdle for CheckedBody<B> {
    fn record_idle(&self, _is_waiting: bool) {
        self.progress.set_outcome(Outcome::Cancelled);
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
