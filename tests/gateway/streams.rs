//! WebSockets, gRPC streams and events during many switches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::SinkExt;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::harness::{AnyBody, BoxError, Gateway, client, empty, full, read};
use crate::sockets::{message, open, receive};
use crate::versions::{X_VERSION, start_version};

/// Number of messages sent before the first echo is read.
const BATCH: usize = 50;

/// Maximum time of one message.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// The number of exchanges of each kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) each: usize,
    /// Number of messages per socket and stream. Event streams and unary calls use a tenth.
    pub(crate) messages: usize,
}

/// Opens the exchanges stopped several switches and switches until all have ended. Returns the number of
/// switches and the duration.
pub(crate) async fn across_switches(plan: Plan) -> (usize, Duration) {
    let old = start_version("v1").await;
    let new = start_version("v2").await;
    let gateway = Arc::new(Gateway::start(&["--no-demo"]));
    gateway.register("auth", "v1", &old.url).await;
    gateway.register("auth", "v2", &new.url).await;
    let stopped = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let switching = tokio::spawn(switch(Arc::clone(&gateway), Arc::clone(&stopped)));
    let mut all = JoinSet::new();
    for _ in 0..plan.each {
        all.spawn(socket(Arc::clone(&gateway), plan.messages));
        all.spawn(stream(Arc::clone(&gateway), plan.messages));
        all.spawn(calls(Arc::clone(&gateway), plan.messages / 10));
        all.spawn(events(Arc::clone(&gateway), plan.messages / 10));
        sleep(Duration::from_millis(20)).await;
    }
    while let Some(ended) = all.join_next().await {
        ended.unwrap();
    }
    stopped.store(true, Ordering::Relaxed);
    (switching.await.unwrap(), start.elapsed())
}

async fn switch(gateway: Arc<Gateway>, stopped: Arc<AtomicBool>) -> usize {
    for switches in 0.. {
        if stopped.load(Ordering::Relaxed) {
            return switches;
        }
        gateway.switch("auth", ["v2", "v1"][switches % 2]).await;
        sleep(Duration::from_millis(30)).await;
    }
    0
}

async fn socket(gateway: Arc<Gateway>, messages: usize) {
    let (mut socket, _) = open(&gateway).await;
    for batch in 0..messages / BATCH {
        let batch = batch * BATCH..(batch + 1) * BATCH;
        for i in batch.clone() {
            socket.feed(message(i)).await.unwrap();
        }
        socket.flush().await.unwrap();
        for i in batch {
            assert_eq!(receive(&mut socket).await, message(i), "{i}");
        }
    }
}

pub(crate) fn by_http2() -> Client<HttpConnector, AnyBody> {
    let mut connector = HttpConnector::new();
    // Otherwise the end of each window waits for a delayed acknowledgement of 40 ms.
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).http2_only(true).build(connector)
}

fn call(gateway: &Gateway, body: AnyBody) -> Request<AnyBody> {
    let request = Request::post(gateway.url("/auth/some.Service/Echo")).header("te", "trailers");
    request.header("content-type", "application/grpc").body(body).unwrap()
}

/// Returns a gRPC frame.
fn framed(i: usize) -> Bytes {
    let mut frame = BytesMut::new();
    let length = i * 7 % 3_000;
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).unwrap());
    frame.extend((0..length).map(|at| (at + i) as u8));
    frame.freeze()
}

/// Runs one bidirectional call.
async fn stream(gateway: Arc<Gateway>, messages: usize) {
    let (mut sender, body) = Channel::<Bytes, BoxError>::new(BATCH);
    let response = by_http2().request(call(&gateway, body.boxed()));
    sender.send_data(framed(0)).await.unwrap();
    let mut body = timeout(MESSAGE_TIMEOUT, response).await.unwrap().unwrap().into_body();
    expect_echo(&mut body, framed(0)).await;
    for batch in 0..messages / BATCH {
        let mut sent = BytesMut::new();
        for i in batch * BATCH..(batch + 1) * BATCH {
            sent.extend_from_slice(&framed(i));
            sender.send_data(framed(i)).await.unwrap();
        }
        expect_echo(&mut body, sent.freeze()).await;
    }
    drop(sender);
    let trailers = timeout(MESSAGE_TIMEOUT, body.frame()).await.unwrap().unwrap().unwrap().into_trailers();
    assert_status(&trailers.unwrap());
    assert!(body.frame().await.is_none());
}

/// Reads until `sent` has received back.
async fn expect_echo(body: &mut Incoming, sent: Bytes) {
    let mut received = BytesMut::new();
    while received.len() < sent.len() {
        let frame = timeout(MESSAGE_TIMEOUT, body.frame()).await.unwrap().unwrap().unwrap();
        received.extend_from_slice(&frame.into_data().unwrap());
    }
    assert!(received == sent, "{} bytes came back changed", received.len());
}

fn assert_status(trailers: &HeaderMap) {
    assert_eq!(trailers["grpc-status"], "0", "{trailers:?}");
}

/// Runs unary calls one after the other.
async fn calls(gateway: Arc<Gateway>, count: usize) {
    let client = by_http2();
    for i in 0..count {
        let response =
            timeout(MESSAGE_TIMEOUT, client.request(call(&gateway, full(framed(i))))).await.unwrap();
        let response = response.unwrap().into_body().collect().await.unwrap();
        assert_status(response.trailers().unwrap());
        assert!(response.to_bytes() == framed(i), "{i}");
    }
}

/// Reads events, none lost and none twice, with plain requests in between.
async fn events(gateway: Arc<Gateway>, count: usize) {
    let client = client();
    let events = Request::get(gateway.url("/auth/events/1")).body(empty()).unwrap();
    let response = client.request(events).await.unwrap();
    assert!(response.headers().contains_key(X_VERSION));
    let mut body = response.into_body();
    let mut received = String::new();
    while received.matches("\n\n").count() < count {
        let frame = timeout(MESSAGE_TIMEOUT, body.frame()).await.unwrap().unwrap().unwrap();
        received.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        let plain = Request::get(gateway.url("/auth/")).body(empty()).unwrap();
        assert_eq!(read(client.request(plain).await.unwrap()).await.status, StatusCode::OK);
    }
    let whole: String = (0..count).map(|i| format!("data: {i}\n\n")).collect();
    assert!(received.starts_with(&whole), "{received}");
}
