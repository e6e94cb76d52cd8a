//! Copies of request bodies, over real sockets.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_canary::mirror::Mirror;
use tower_canary::traffic::{Outcome, Unsent};

use crate::mocks::{mirror, unsent};
use crate::support::*;

async fn posting(mirror: Mirror) -> (Gateway, [Backend; 2]) {
    let backends = [Backend::start(Duration::ZERO).await, Backend::start(Duration::ZERO).await];
    let urls = [backends[0].url(), backends[1].url()];
    let mirror = mirror.with_methods([Method::POST]);
    (Gateway::start([&urls[0], &urls[1]], "100", mirror).await, backends)
}

fn streamed(chunks: usize, size: usize) -> reqwest::Body {
    let chunks =
        (0..chunks).map(move |i| Ok::<_, std::io::Error>(Bytes::from(vec![b'a' + (i % 26) as u8; size])));
    reqwest::Body::wrap_stream(stream::iter(chunks))
}

#[tokio::test]
async fn whole_body_is_copied() {
    let (gateway, [stable, canary]) = posting(mirror()).await;
    for (body, framing) in [
        (reqwest::Body::from("x".repeat(60_000)), "content-length"),
        (streamed(60, 1_000), "transfer-encoding"),
        (reqwest::Body::from("x"), "content-length"),
        (reqwest::Body::from(""), "content-length"),
    ] {
        let before = canary.got().len();
        let response = gateway.client.post(gateway.url("/auth/x")).body(body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let copy = canary.wait_for(before + 1).await.pop().unwrap();
        let original = stable.got().pop().unwrap();
        assert_eq!((copy.body.len(), copy.body == original.body), (original.body.len(), true));
        assert!(original.headers.contains_key(framing), "{:?}", original.headers);
        if !copy.body.is_empty() {
            assert_eq!(copy.header("content-length"), Some(&*copy.body.len().to_string()));
        }
    }
    assert_eq!(unsent(&gateway.copies()), []);
}

#[tokio::test]
async fn larger_body_is_not_copied() {
    let (gateway, [stable, canary]) = posting(mirror().with_max_body(1_000)).await;
    for (body, size) in [
        // Announced, and found out while it streams.
        (reqwest::Body::from("x".repeat(1_001)), 1_001),
        (streamed(20_000, 1_000), 20_000_000),
        (streamed(2, 501), 1_002),
        (reqwest::Body::from("x".repeat(1_000)), 1_000),
        (streamed(2, 500), 1_000),
    ] {
        let response = gateway.client.post(gateway.url("/auth/x")).body(body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(stable.got().pop().unwrap().body.len(), size);
    }
    wait_until(|| gateway.copies().sent() == 2).await;
    assert_eq!(unsent(&gateway.copies()), [(Unsent::TooLarge, 3)]);
    assert!(canary.wait_for(2).await.iter().all(|got| got.body.len() == 1_000));
}

// The version sees no half of an upload, and its failure is not counted.
#[tokio::test]
async fn broken_upload_is_not_copied() {
    let (gateway, [_, canary]) = posting(mirror()).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"POST /auth/x HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
    wait_until(|| gateway.handle.in_flight("auth", "v0") == 1).await;
    assert_eq!(gateway.handle.in_flight("auth", "v1"), 1, "the copy holds its place");
    drop(stream);
    wait_until(|| gateway.copies().unsent(Unsent::Incomplete) == 1).await;
    assert_eq!((gateway.copies().sent(), gateway.handle.in_flight("auth", "v1")), (0, 0));
    assert_eq!(
        (canary.got().len(), Outcome::ALL.iter().map(|o| gateway.copies().outcome(*o)).sum::<u64>()),
        (0, 0)
    );
}

#[tokio::test]
async fn trailers_are_not_copied() {
    let (gateway, [stable, _]) = posting(mirror()).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let request = b"POST /auth/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert_eq!(stable.got()[0].body, "hello");
    wait_until(|| unsent(&gateway.copies()) == [(Unsent::Incomplete, 1)]).await;
}
