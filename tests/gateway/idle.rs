//! Time limits for clients that send nothing, or take nothing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::io::AsyncReadExt;
use tokio::time::sleep;

use crate::backends::{Backend, backend, named_backend};
use crate::clients::{RawClient, http2_connection};
use crate::harness::{AnyBody, Gateway, empty, full};
use crate::wait::wait_until;

const SECOND: Duration = Duration::from_secs(1);

async fn gateway_to(options: &[&str], backend: &Backend) -> Gateway {
    let gateway = Gateway::start(&[&["--no-demo"], options].concat());
    gateway.register("auth", "v1", &backend.url).await;
    gateway
}

fn get(gateway: &Gateway, path: &str) -> Request<AnyBody> {
    Request::get(gateway.url(path)).body(empty()).unwrap()
}

// A limit for heads that ran between requests too would close the connection after 10 s. The time of a head starts with its
// first byte, also after a pause.
#[tokio::test]
async fn idle_limit_is_not_the_limit_of_a_head() {
    let backend = named_backend("v1", Duration::ZERO).await;
    let gateway = gateway_to(&[], &backend).await;
    let idle = async {
        let mut client = RawClient::connect(&gateway.data).await;
        client.get("/auth/a").await;
        client.read_until("/a\n").await;
        sleep(11 * SECOND).await;
        client.get("/auth/b").await;
        client.read_until("/b\n").await;
    };
    let partial = async {
        let mut client = RawClient::connect(&gateway.data).await;
        sleep(3 * SECOND).await;
        client.send("GET /auth/ HTTP/1.1\r\n").await;
        // With the time of the connection it would be closed after 7 s.
        assert!(!client.is_closed_within(8 * SECOND).await);
        assert!(client.is_closed_within(10 * SECOND).await);
    };
    tokio::join!(idle, partial);
}

#[tokio::test]
async fn idle_http1_connection_is_closed() {
    let backend = named_backend("v1", Duration::from_millis(1_500)).await;
    let gateway = gateway_to(&["--idle-timeout", "1"], &backend).await;
    let mut client = RawClient::connect(&gateway.data).await;
    let start = Instant::now();
    client.get("/auth/a").await;
    client.read_until("/a\n").await;
    // An empty line is neither a request nor the begin of one.
    client.send("\r\n").await;
    assert!(client.is_closed_within(10 * SECOND).await);
    // The time of the response, and the limit.
    assert!(start.elapsed() >= SECOND * 5 / 2, "{:?}", start.elapsed());
    let mut silent = RawClient::connect(&gateway.data).await;
    assert!(silent.is_closed_within(10 * SECOND).await);
}

/// Empty lines before the first request are no request, so their connection is idle.
#[tokio::test]
async fn empty_lines_hold_no_connection() {
    let mut gateway = Gateway::start(&["--no-demo", "--idle-timeout", "1"]);
    let idle = ["\r\n", "\n", "\r\n\r\n\r\n"].map(async |lines| {
        let mut client = RawClient::connect(&gateway.data).await;
        client.send(lines).await;
        client.is_closed_within(8 * SECOND).await
    });
    assert_eq!(join_all(idle).await, [true; 3]);
    // Nor do they delay a stop.
    let mut client = RawClient::connect(&gateway.data).await;
    client.send("\r\n").await;
    gateway.terminate();
    let status = gateway.exit(8 * SECOND).await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

#[tokio::test]
async fn idle_http2_connection_is_closed() {
    let backend = named_backend("v1", Duration::from_millis(1_500)).await;
    let gateway = gateway_to(&["--http2-idle-timeout", "1"], &backend).await;
    let mut client = http2_connection(&gateway.data).await;
    let response = client.send_request(get(&gateway, "/auth/a")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "auth v1 /a\n");
    wait_until(10 * SECOND, "closed", async || client.is_closed()).await;
    assert!(client.send_request(get(&gateway, "/auth/a")).await.is_err());
}

// The upload takes longer than the idle limit, and so does its response.
#[tokio::test]
async fn bodies_are_not_idle() {
    let slow = backend(|request| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        sleep(4 * SECOND).await;
        Response::new(full(body))
    });
    let slow = slow.await;
    let options = ["--idle-timeout", "3", "--http2-idle-timeout", "3", "--body-idle-timeout", "3"];
    let gateway = gateway_to(&options, &slow).await;
    let mut client = RawClient::connect(&gateway.data).await;
    client.send("POST /auth/ HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n").await;
    for part in ["a", "b", "c"] {
        sleep(SECOND * 6 / 5).await;
        client.send(part).await;
    }
    client.read_until("abc").await;
}

/// A backend with a body that does not fit into the buffers between it and its client.
async fn endless() -> Backend {
    backend(|_| async { Response::new(full(Bytes::from(vec![b'x'; 64 << 20]))) }).await
}

#[tokio::test]
async fn stalled_reader_is_cut_off() {
    let backend = endless().await;
    let gateway = gateway_to(&["--body-idle-timeout", "1"], &backend).await;
    let mut stalled = RawClient::connect(&gateway.data).await;
    stalled.get("/auth/").await;
    gateway.wait_in_flight("auth", "v1", 1).await;
    gateway.wait_in_flight("auth", "v1", 0).await;
    // Its version is free. The bytes in the buffers still arrive.
    let mut part = vec![0; 1 << 20];
    while stalled.0.read(&mut part).await.is_ok_and(|count| count > 0) {}
}

// Its connection goes on for other streams.
#[tokio::test]
async fn stalled_http2_reader_frees_its_version() {
    let backend = endless().await;
    let gateway = gateway_to(&["--body-idle-timeout", "1"], &backend).await;
    let mut client = http2_connection(&gateway.data).await;
    let _stalled = client.send_request(get(&gateway, "/auth/")).await.unwrap();
    gateway.wait_in_flight("auth", "v1", 1).await;
    gateway.wait_in_flight("auth", "v1", 0).await;
    assert_eq!(client.send_request(get(&gateway, "/auth/")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn slow_reader_is_not_cut_off() {
    let backend = endless().await;
    let gateway = gateway_to(&["--body-idle-timeout", "4"], &backend).await;
    let mut slow = RawClient::connect(&gateway.data).await;
    slow.get("/auth/").await;
    // The rest after that does not fit into the buffers.
    let mut part = vec![0; 4 << 20];
    for _ in 0..6 {
        sleep(SECOND).await;
        slow.0.read_exact(&mut part).await.unwrap();
    }
    assert_eq!(gateway.in_flight("auth", "v1").await, 1);
}
