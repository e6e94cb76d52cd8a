//! The request body as hyper gets it.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::replay::ReplayBody;
use crate::common::error::BoxError;

/// The bounds of a request body.
pub(super) trait SentBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static {}

impl<B> SentBody for B where B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static {}

/// A request body. hyper drops it when it was sent, or when its connection ends.
pub(super) struct Payload<B> {
    content: Content<B>,
    upload: Option<Arc<dyn Upload>>,
}

/// The result of an exchange. hyper gives a request back if it has not begun to write it.
pub(super) type Sent<B> = Result<Response<Incoming>, TrySendError<Request<Payload<B>>>>;

/// A request for which the connection is closed.
pub(super) type Unsent<B> = Box<Request<Payload<B>>>;

/// Gets the report that a request body was sent or given up.
pub(super) trait Upload: Send + Sync {
    /// The body was sent to its end, or given up.
    fn ended(&self);
}

/// Where the bytes come from.
#[derive(Debug)]
enum Content<B> {
    Empty,
    Once(B),
    Replayed(ReplayBody<B>),
}

impl<B> Payload<B> {
    /// Creates a payload without bytes.
    pub(super) const fn empty() -> Self {
        Self { content: Content::Empty, upload: None }
    }

    /// Creates a payload that can be sent once.
    pub(super) const fn once(body: B) -> Self {
        Self { content: Content::Once(body), upload: None }
    }

    /// Creates a payload that can be sent again as long as its beginning is kept.
    pub(super) const fn replayed(body: ReplayBody<B>) -> Self {
        Self { content: Content::Replayed(body), upload: None }
    }

    /// Returns whether the request has no body. A body that turns out to have no bytes is not empty.
    pub(super) const fn is_empty(&self) -> bool {
        matches!(self.content, Content::Empty)
    }

    /// Reports the end of the body to `upload`. The end of an empty body is not reported.
    pub(super) fn attach(&mut self, upload: Arc<dyn Upload>) {
        if !self.is_empty() {
            self.upload = Some(upload);
        }
    }

    /// Returns the body, if it is one that can be sent once. Nothing is reported any more then.
    pub(super) fn take_once(&mut self) -> Option<B> {
        match mem::replace(&mut self.content, Content::Empty) {
            Content::Once(body) => Some(body),
            other => {
                self.content = other;
                None
            }
        }
    }
}

impl<B> Drop for Payload<B> {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            // The body first: what it holds must be free when the connection is.
            self.content = Content::Empty;
            upload.ended();
        }
    }
}

impl<B> Body for Payload<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.content {
            Content::Empty => Poll::Ready(None),
            Content::Once(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            Content::Replayed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Empty => true,
            Content::Once(body) => body.is_end_stream(),
            Content::Replayed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty => SizeHint::with_exact(0),
            Content::Once(body) => body.size_hint(),
            Content::Replayed(body) => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for Payload<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}
