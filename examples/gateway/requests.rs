//! The requests of a client connection, counted in [`Activity`] until both of their bodies have ended.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::Service;
use pin_project_lite::pin_project;

use crate::activity::Activity;
use crate::heads::{are_trailers_too_large, is_too_large};

type BoxError = Box<dyn Error + Send + Sync>;

/// The body of a client's request.
pub(crate) type ClientBody = CountedBody<Incoming>;

/// A service that counts its requests, and refuses those with a head that is too large.
#[derive(Debug)]
pub(crate) struct CountedService<S> {
    pub(crate) service: S,
    pub(crate) activity: Arc<Activity>,
    pub(crate) max_headers: u16,
}

impl<S, B> Service<Request<Incoming>> for CountedService<S>
where
    S: Service<Request<ClientBody>, Response = Response<B>>,
    B: Body,
{
    type Response = Response<CountedBody<B>>;
    type Error = S::Error;
    type Future = CountedFuture<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let has_body = !request.body().is_end_stream();
        self.activity.starts_request(has_body);
        let open = Open { activity: Arc::clone(&self.activity), has_unread: false };
        let is_refused = is_too_large(&request, self.max_headers);
        let request = request.map(|body| CountedBody {
            body: Some(body),
            open: has_body.then(|| Open::request_body(&self.activity)),
        });
        let response = (!is_refused).then(|| self.service.call(request));
        CountedFuture { response, open: Some(open) }
    }
}

/// A request, or its body, that has not ended.
#[derive(Debug)]
struct Open {
    activity: Arc<Activity>,
    /// Whether this is a request body of which the rest was not read.
    has_unread: bool,
}

impl Open {
    fn request_body(activity: &Arc<Activity>) -> Self {
        activity.starts_body();
        Self { activity: Arc::clone(activity), has_unread: true }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.has_unread {
            self.activity.leaves_body_unread();
        }
        self.activity.ends();
    }
}

pin_project! {
    /// The future of a counted response. Without an inner one, it responds 431.
    pub(crate) struct CountedFuture<F> {
        #[pin]
        response: Option<F>,
        open: Option<Open>,
    }
}

impl<F, B, E> Future for CountedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<CountedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(response) = this.response.as_pin_mut() else {
            let mut refusal = Response::new(CountedBody { body: None, open: None });
            *refusal.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Poll::Ready(Ok(refusal));
        };
        let response = ready!(response.poll(cx))?;
        let open = this.open.take();
        if let Some(open) = &open
            && response.status() == StatusCode::SWITCHING_PROTOCOLS
        {
            open.activity.starts_tunnel();
        }
        Poll::Ready(Ok(response.map(|body| CountedBody { body: Some(body), open })))
    }
}

pin_project! {
    /// A body that counts as open until its end. `None` is an empty body.
    #[derive(Debug)]
    pub(crate) struct CountedBody<B> {
        #[pin]
        body: Option<B>,
        open: Option<Open>,
    }
}

impl<B> Body for CountedBody<B>
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
        let Some(mut body) = this.body.as_pin_mut() else { return Poll::Ready(None) };
        let Some(frame) = ready!(body.as_mut().poll_frame(cx)) else {
            end(this.open);
            return Poll::Ready(None);
        };
        let frame = frame.map_err(Into::into)?;
        if this.open.as_ref().is_some_and(|open| open.has_unread)
            && frame.trailers_ref().is_some_and(are_trailers_too_large)
        {
            return Poll::Ready(Some(Err("the trailers are too large".into())));
        }
        if body.is_end_stream() {
            end(this.open);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), B::size_hint)
    }
}

/// Ends a body that is complete.
fn end(open: &mut Option<Open>) {
    if let Some(mut open) = open.take() {
        open.has_unread = false;
    }
}
