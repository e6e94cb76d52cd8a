//! Limits of memory and time for clients.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use crate::attacks::Attack;
use crate::backends::backend;
use crate::clients::raw;
use crate::harness::{AnyBody, Gateway, HttpClient, client, empty, full, read};
use crate::soak::{SoakReport, soak};
use crate::streams::by_http2;
use crate::wait::wait_until;

const CHUNK: usize = 64 * 1024;

const PLAIN: &str = "application/octet-stream";
const GRPC: &str = "application/grpc";

/// A body of so many MiB, created while it is sent.
fn large(mebibytes: usize) -> AnyBody {
    let chunk = Bytes::from(vec![b'x'; CHUNK]);
    let frames = stream::iter((0..mebibytes * 16).map(move |_| Ok(Frame::data(chunk.clone()))));
    BodyExt::boxed(StreamBody::new(frames))
}

async fn length<B: hyper::body::Body<Data = Bytes, Error: std::fmt::Debug> + Unpin>(mut body: B) -> usize {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, Bytes::len);
    }
    length
}

/// Maximum growth of the memory in KiB.
const GROWTH: u64 = 16 * 1024;

/// Returns the growth of the gateway's maximum memory in KiB.
fn memory_growth(gateway: &Gateway, before: u64) -> u64 {
    let grown = gateway.memory().1.saturating_sub(before);
    println!("resident memory grew by {grown} KiB");
    grown
}

/// Sends and receives bodies of that size. Those of gRPC go over HTTP/2 to the backend.
async fn stream_through_little_memory(mebibytes: usize, client: HttpClient, content_type: &str) {
    let backend = backend(move |request: Request<hyper::body::Incoming>| async move {
        match request.uri().path() {
            "/down" => Response::new(large(mebibytes)),
            _ => Response::new(full(length(request.into_body()).await.to_string())),
        }
    });
    let backend = backend.await;
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &backend.url).await;
    gateway.get("/auth/warm").await;
    let (before, _) = gateway.memory();

    let up = Request::post(gateway.url("/auth/up")).header("content-type", content_type);
    let up = up.body(large(mebibytes)).unwrap();
    assert_eq!(read(client.request(up).await.unwrap()).await.text, (mebibytes << 20).to_string());
    let down = Request::post(gateway.url("/auth/down")).header("content-type", content_type);
    let down = down.body(empty()).unwrap();
    let down = client.request(down).await.unwrap();
    assert_eq!(length(down.into_body()).await, mebibytes << 20);
    assert!(memory_growth(&gateway, before) <= GROWTH);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streaming_64_mib_takes_little_memory() {
    stream_through_little_memory(64, client(), PLAIN).await;
    stream_through_little_memory(64, by_http2(), PLAIN).await;
    stream_through_little_memory(64, by_http2(), GRPC).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "moves 12 GiB"]
async fn streaming_2_gib_takes_little_memory() {
    stream_through_little_memory(2 * 1024, client(), PLAIN).await;
    stream_through_little_memory(2 * 1024, by_http2(), PLAIN).await;
    stream_through_little_memory(2 * 1024, by_http2(), GRPC).await;
}

// Neither body uses much memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_json_is_413_and_deep_json_400() {
    let gateway = Gateway::start(&[]);
    gateway.versions("auth").await;
    let (before, _) = gateway.memory();
    let huge = format!(r#"{{"weight":1,"reason":"{}"}}"#, "x".repeat(16 << 20));
    let deep = format!("{}{}", "[".repeat(8_000), "]".repeat(8_000));
    let nested = format!("{}1{}", r#"{"weight":"#.repeat(1_000), "}".repeat(1_000));
    let (host, path) = gateway.admin.trim_start_matches("http://").split_once('/').unwrap();
    for _ in 0..10 {
        for (body, expected) in [(&huge, 413), (&deep, 400), (&nested, 400)] {
            let head = format!(
                "PUT /{path}/deployment/services/auth/versions/v1.1/weight HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
                 authorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                gateway.token,
                body.len()
            );
            let request = [head.as_bytes(), body.as_bytes()].concat();
            for response in join_all((0..4).map(|_| raw(host, &request))).await {
                assert!(response.starts_with(&format!("HTTP/1.1 {expected} ")), "{expected}: {response}");
            }
        }
    }
    assert!(memory_growth(&gateway, before) <= GROWTH);
    assert_eq!(gateway.weights("auth").await["v1.1"], 0.0);
}

// They delay no other client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_heads_are_cut_off_in_time() {
    let gateway = Gateway::start(&Attack::OPTIONS);
    let slow = Attack::HEADS.into_iter().cycle().take(204);
    let slow: Vec<_> = slow.map(|attack| (attack, attack.begin(&gateway.data))).collect();
    // The gateway runs two tasks for each connection.
    wait_until(Duration::from_secs(8), "the gateway has accepted all connections", async || {
        gateway.tasks().await >= 2 * slow.len()
    })
    .await;
    gateway.count_versions("/auth/", 400, 4).await;
    assert!(slow.iter().any(|(_, task)| !task.is_finished()), "requests wait for the end of the attacks");
    for (attack, task) in slow {
        let lasted = task.await.unwrap();
        assert!(lasted <= attack.limit(), "{attack:?} lasted {lasted:?}");
    }
}

// Swaps, restarts, cancellations, WebSockets and streams.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_load_leaks_no_file_or_task() {
    let SoakReport { before, after, done, .. } = soak(Duration::from_secs(4)).await;
    println!("{before:?} before, {after:?} after {done:?}");
    assert!(after.has_no_leak_since(before));
}
