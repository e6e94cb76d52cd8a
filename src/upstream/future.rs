//! The future of [`Client`](super::Client).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;

use super::body::Body;
use super::error::Error;

/// The response future of [`Client`](super::Client). It resolves when the response head is there.
///
/// Over HTTP/1.1 the request makes progress only while this is polled: do not wait for anything that the backend does before.
/// Dropping it cancels the request: an HTTP/1.1 connection is closed, and an HTTP/2 stream is reset.
/// See [`Client`](super::Client) for an example.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture(Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>);

impl ResponseFuture {
    pub(super) fn new(future: impl Future<Output = Result<Response<Body>, Error>> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
