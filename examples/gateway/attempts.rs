//! A time limit for each attempt of a safe request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Request;
use hyper::body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower::{BoxError, Service};

/// Ends an attempt of a safe request without a body that has no response in time. Below the layer, so that it counts as a
/// failure of the instance.
#[derive(Clone, Debug)]
pub(crate) struct Attempts<S> {
    client: S,
    limit: Option<Duration>,
}

impl<S> Attempts<S> {
    pub(crate) const fn new(client: S, limit: Option<Duration>) -> Self {
        Self { client, limit }
    }
}

impl<S, B> Service<Request<B>> for Attempts<S>
where
    S: Service<Request<B>, Error: Into<BoxError>>,
    B: Body,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Attempt<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.client.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_limited = request.method().is_safe() && request.body().is_end_stream();
        let limit = self.limit.filter(|_| is_limited).map(sleep);
        Attempt { response: self.client.call(request), limit }
    }
}

pin_project! {
    /// The future of one attempt.
    #[derive(Debug)]
    pub(crate) struct Attempt<F> {
        #[pin]
        response: F,
        #[pin]
        limit: Option<Sleep>,
    }
}

impl<F, R, E> Future for Attempt<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(result) = this.response.poll(cx) {
            return Poll::Ready(result.map_err(Into::into));
        }
        let Some(limit) = this.limit.as_pin_mut() else { return Poll::Pending };
        ready!(limit.poll(cx));
        // The proxy responds 504 to this kind of error.
        Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut).into()))
    }
}
