//! Requests to a server.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

use crate::wire::Wire;

/// Sends `count` requests, each when the response before it was written, and returns the number of reads.
///
/// A request arrives in parts of `part` bytes, and the connection's task runs after each.
pub(crate) fn run(message: &'static [u8], part: usize, waits: bool, count: u64) -> u64 {
    let wire = Wire::default();
    let service = service_fn(move |request| respond(request, waits));
    let mut connection = pin!(http1::Builder::new().serve_connection(wire.clone(), service));
    let context = &mut Context::from_waker(Waker::noop());
    for _ in 0..count {
        let before = wire.written();
        wire.start(message);
        for start in (0..message.len()).step_by(part) {
            wire.arrive(message.len().min(start + part));
            while !wire.is_drained() {
                assert!(connection.as_mut().poll(context).is_pending(), "the connection is kept");
            }
        }
        if waits {
            assert!(connection.as_mut().poll(context).is_pending(), "the connection is kept");
        }
        assert!(wire.written() > before, "a response");
    }
    wire.reads()
}

/// Keeps the request until it responds, and each part of its body until the next.
async fn respond(request: Request<Incoming>, waits: bool) -> Result<Response<Full<Bytes>>, Infallible> {
    let (_head, mut body) = request.into_parts();
    let mut _part = None;
    while let Some(frame) = body.frame().await {
        _part = frame.ok();
    }
    if waits {
        turn().await;
    }
    Ok(Response::new(Full::new(Bytes::from_static(b"Hello, World!"))))
}

/// Is pending once, as a handler is that asks a database or a backend.
async fn turn() {
    let mut first = true;
    poll_fn(|_| if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }).await;
}
