//! Responses to uploads that nobody reads: the client gets them although it is still sending.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use crate::clients::RawClient;
use crate::harness::Gateway;

const CHUNK: usize = 64 * 1024;

/// Sends an upload of so many chunks to an unknown service, then reads the response as a simple client does.
async fn refused_upload(gateway: &Gateway, framing: &str, chunks: usize) -> String {
    let mut client = RawClient::connect(&gateway.data).await;
    client.send(format!("POST /nobody/ HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n")).await;
    let chunk = match framing {
        "transfer-encoding: chunked" => format!("{CHUNK:x}\r\n{}\r\n", "x".repeat(CHUNK)),
        _ => "x".repeat(CHUNK),
    };
    for _ in 0..chunks {
        client.send(&chunk).await;
    }
    client.read_to_end().await
}

#[tokio::test]
async fn early_refusal_reaches_the_client() {
    let gateway = Gateway::start(&["--no-demo"]);
    for round in 0..20 {
        for chunks in [8, 128] {
            let length = format!("content-length: {}", chunks * CHUNK);
            for framing in [&*length, "transfer-encoding: chunked"] {
                let response = refused_upload(&gateway, framing, chunks).await;
                assert!(response.starts_with("HTTP/1.1 404 "), "{round} {framing}: {response}");
                assert!(response.contains("unknown-service"), "{round} {framing}: {response}");
            }
        }
    }
}

#[tokio::test]
async fn refusal_of_a_head_reaches_the_client() {
    let gateway = Gateway::start(&["--no-demo"]);
    for _ in 0..20 {
        let mut client = RawClient::connect(&gateway.data).await;
        let head = format!("GET /nobody/ HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(4 << 20));
        client.send(head).await;
        let response = client.read_to_end().await;
        assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
    }
}

#[tokio::test]
async fn lingering_close_is_limited() {
    let gateway = Gateway::start(&["--no-demo"]);
    let mut client = RawClient::connect(&gateway.data).await;
    let start = Instant::now();
    client.send("POST /nobody/ HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n").await;
    assert!(client.read_to_end().await.starts_with("HTTP/1.1 404 "));
    while client.0.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    assert!(start.elapsed() > Duration::from_secs(1), "{:?}", start.elapsed());
}
