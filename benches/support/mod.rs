//! A client without work, and requests for it.
#![allow(dead_code, reason = "each bench uses a part")]

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use http::{Request, Response, Uri};
use tower::Service;

/// A client without work.
#[derive(Clone)]
pub(crate) struct Null;

impl Service<Request<()>> for Null {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(request.uri());
        ready(Ok(Response::new(String::new())))
    }
}

pub(crate) fn request() -> Request<()> {
    static PATH: &str = "/login?next=home";
    let mut request = Request::new(());
    *request.uri_mut() = Uri::from_static(PATH);
    request
}

/// Sends a request to a service that responds at once.
pub(crate) fn drive<S: Service<Request<B>>, B>(service: &mut S, request: Request<B>) {
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    let mut future = pin!(service.call(request));
    assert!(black_box(future.as_mut().poll(&mut context)).is_ready());
}

/// Returns the nanoseconds per turn.
pub(crate) fn time(turns: u32, mut turn: impl FnMut()) -> f64 {
    let from = Instant::now();
    (0..turns).for_each(|_| turn());
    from.elapsed().as_nanos() as f64 / f64::from(turns)
}
