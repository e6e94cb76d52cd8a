//! Responses to a client.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};

use crate::wire::Wire;

/// Sends `count` requests, each when the response before it was read, and returns the number of reads.
///
/// The responses are `messages` in turn. Each arrives in parts of `part` bytes, and the connection's task runs after each.
pub(crate) fn run(messages: &[&'static [u8]], part: usize, count: u64) -> u64 {
    let wire = Wire::default();
    let context = &mut Context::from_waker(Waker::noop());
    let Poll::Ready(Ok((mut sender, connection))) = pin!(http1::handshake(wire.clone())).poll(context) else {
        panic!("no handshake");
    };
    let mut connection = pin!(connection);
    assert!(connection.as_mut().poll(context).is_pending(), "the connection is kept");
    for message in messages.iter().cycle().take(count as usize) {
        let before = wire.written();
        wire.start(message);
        let mut exchange = pin!(exchange(&mut sender));
        let mut done = exchange.as_mut().poll(context).is_ready();
        assert!(connection.as_mut().poll(context).is_pending(), "the connection is kept");
        assert!(wire.written() > before, "a request");
        for start in (0..message.len()).step_by(part) {
            wire.arrive(message.len().min(start + part));
            while !done {
                let reads = wire.reads();
                assert!(connection.as_mut().poll(context).is_pending(), "the connection is kept");
                done = exchange.as_mut().poll(context).is_ready();
                if wire.reads() == reads && wire.is_drained() {
                    break;
                }
            }
        }
        assert!(done, "the response is complete");
        assert!(connection.as_mut().poll(context).is_pending(), "the connection is kept");
    }
    wire.reads()
}

/// Keeps the head of the response until its end, and each part of its body until the next, as a proxy does.
async fn exchange(sender: &mut SendRequest<Empty<Bytes>>) {
    let Ok(request) = Request::get("/").header("host", "localhost").body(Empty::new()) else {
        panic!("the request is valid");
    };
    if let Err(error) = sender.ready().await {
        panic!("{error}");
    }
    let (_head, mut body) = match sender.send_request(request).await {
        Ok(response) => response.into_parts(),
        Err(error) => panic!("{error}"),
    };
    let mut _part = None;
    while let Some(frame) = body.frame().await {
        _part = frame.ok();
    }
}
