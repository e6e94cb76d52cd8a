//! The outcomes of requests that the proxy responds to, cuts short or continues to send.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::proxy::{Proxy, RequestBody};
use tower_canary::traffic::{Outcome, VersionTraffic};
use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};

use crate::support::{Backend, Gateway, PATIENCE};

/// Reads until `text` was received, and returns all that was read.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut received = String::new();
    while !received.contains(text) {
        let mut bytes = [0; 1024];
        let count = timeout(PATIENCE, stream.read(&mut bytes)).await.expect(text).unwrap();
        assert!(count > 0, "{received}");
        received.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    received
}

/// Reads a chunked message to the end of its trailers.
async fn read_chunked(stream: &mut TcpStream) -> String {
    let body = read_until(stream, "\r\n0\r\n").await;
    if body.ends_with("\r\n\r\n") { body } else { body + &read_until(stream, "\r\n\r\n").await }
}

fn stable(handle: &RoutingHandle) -> VersionTraffic {
    handle.traffic("auth").unwrap().versions[0].clone()
}

/// Waits until the only request has ended, and returns its outcome.
async fn outcome(handle: &RoutingHandle) -> Outcome {
    for _ in 0..1_500 {
        let traffic = stable(handle);
        if traffic.total.ended() == 1 && traffic.in_flight == 0 {
            return *Outcome::ALL.iter().find(|outcome| traffic.total.outcome(**outcome) == 1).unwrap();
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not end: {:?}", stable(handle));
}

#[tokio::test(start_paused = true)]
async fn timeout_counts_as_an_error() {
    let gateway = Gateway::start(&[Backend::start().await.address], |proxy| proxy).await;
    let never = service_fn(|_: Request<RequestBody<Empty<Bytes>>>| {
        std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>()
    });
    let layer = WeightedVersionLayer::new(&gateway.handle, Target::service("auth".parse().unwrap()));
    let request = Request::get("/").header("host", "shop").body(Empty::new()).unwrap();
    let answer = Proxy::new(layer.layer(never)).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 504);
    drop(answer);
    assert_eq!(outcome(&gateway.handle).await, Outcome::Error);
}

#[tokio::test]
async fn unusable_response_counts_as_error() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ] {
        let mut backend = Backend::start().await;
        let gateway = Gateway::start(&[backend.address], |proxy| proxy).await;
        let mut client = gateway.connect().await;
        client.write_all(b"GET /auth HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
        let _connection = backend.answer(answer).await;
        read_until(&mut client, "HTTP/1.1 502").await;
        assert_eq!(outcome(&gateway.handle).await, Outcome::Error, "{answer}");
    }
}

#[tokio::test]
async fn malformed_upload_counts_as_cancelled() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::start(&[backend.address], |proxy| proxy).await;
    let mut client = gateway.connect().await;
    client
        .write_all(
            b"POST /auth HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\nno chunk\r\n",
        )
        .await
        .unwrap();
    let _connection = backend.next().await;
    read_until(&mut client, "HTTP/1.1 400").await;
    assert_eq!(outcome(&gateway.handle).await, Outcome::Cancelled);
}

#[tokio::test]
async fn stalled_upload_is_408_and_cancelled() {
    let mut backend = Backend::start().await;
    let limit = Duration::from_secs(2);
    let gateway = Gateway::start(&[backend.address], |proxy| proxy.with_response_timeout(limit)).await;
    let mut client = gateway.connect().await;
    client.write_all(b"POST /auth HTTP/1.1\r\nhost: shop\r\ncontent-length: 6\r\n\r\nabc").await.unwrap();
    let _connection = backend.next().await;
    read_until(&mut client, "HTTP/1.1 408").await;
    assert_eq!(outcome(&gateway.handle).await, Outcome::Cancelled);
}

#[tokio::test]
async fn chunked_response_counts_by_status() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::start(&[backend.address], |proxy| proxy).await;
    let mut client = gateway.connect().await;
    client.write_all(b"GET /auth HTTP/1.1\r\nhost: shop\r\nte: trailers\r\n\r\n").await.unwrap();
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n";
    let _connection = backend.answer(answer).await;
    read_until(&mut client, "HTTP/1.1 200").await;
    assert_eq!(outcome(&gateway.handle).await, Outcome::Success);
}

// Late: it continues after the response.
#[tokio::test]
async fn late_upload_is_in_flight_until_sent() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::start(&[backend.address], |proxy| proxy).await;
    let mut client = gateway.connect().await;
    client.write_all(b"POST /auth HTTP/1.1\r\nhost: shop\r\ncontent-length: 6\r\n\r\nabc").await.unwrap();
    let (_, mut connection) = backend.answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    read_until(&mut client, "ok").await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!((stable(&gateway.handle).in_flight, stable(&gateway.handle).total.ended()), (1, 1));
    client.write_all(b"def").await.unwrap();
    let mut rest = [0; 3];
    connection.read_exact(&mut rest).await.unwrap();
    assert_eq!(outcome(&gateway.handle).await, Outcome::Success);
}

// A gRPC stream is not.
#[tokio::test]
async fn late_stalled_upload_is_given_up() {
    for (kind, expected) in [("text/plain", 0), ("application/grpc", 1)] {
        let mut backend = Backend::start().await;
        let limit = Duration::from_secs(2);
        let gateway = Gateway::start(&[backend.address], |proxy| proxy.with_response_timeout(limit)).await;
        let mut client = gateway.connect().await;
        let head = format!(
            "POST /auth HTTP/1.1\r\nhost: shop\r\ncontent-type: {kind}\r\ncontent-length: 6\r\n\r\nabc"
        );
        client.write_all(head.as_bytes()).await.unwrap();
        let (_, mut connection) = backend.answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        read_until(&mut client, "ok").await;
        if expected == 1 {
            sleep(2 * limit).await;
            assert_eq!(gateway.in_flight("v1"), 1, "{kind}");
        } else {
            gateway.idle("v1").await;
            let mut rest = Vec::new();
            connection.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"abc", "the backend sees the end of its connection");
        }
    }
}

// Equal lengths are merged.
#[tokio::test]
async fn conflicting_lengths_are_502() {
    for (lengths, expected) in [
        ("content-length: 2\r\ncontent-length: 2\r\n", "HTTP/1.1 200"),
        ("content-length: abc\r\n", "HTTP/1.1 502"),
        ("content-length: -1\r\n", "HTTP/1.1 502"),
        ("content-length: 2\r\ncontent-length: 3\r\n", "HTTP/1.1 502"),
    ] {
        let mut backend = Backend::start().await;
        let gateway = Gateway::start(&[backend.address], |proxy| proxy).await;
        let mut client = gateway.connect().await;
        client.write_all(b"HEAD /auth HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
        let _connection = backend.answer(&format!("HTTP/1.1 200 OK\r\n{lengths}\r\n")).await;
        let answer = read_until(&mut client, "\r\n\r\n").await.to_lowercase();
        assert!(answer.starts_with(&expected.to_lowercase()), "{lengths}: {answer}");
        assert_eq!(answer.matches("content-length").count(), 1, "{answer}");
    }
}

#[tokio::test]
async fn no_content_has_no_length() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::start(&[backend.address], |proxy| proxy).await;
    let mut client = gateway.connect().await;
    client.write_all(b"GET /auth HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").await.unwrap();
    let answer = "HTTP/1.1 204 No Content\r\ncontent-length: 2\r\nx-end: 1\r\n\r\n";
    let _connection = backend.answer(answer).await;
    let answer = read_until(&mut client, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 204") && !answer.contains("content-length"), "{answer}");
}

#[tokio::test]
async fn backend_cannot_remove_layer_headers() {
    use tower_canary::layer::Override;

    let mut backend = Backend::start().await;
    let gateway = Gateway::layered(
        &[backend.address],
        |layer| layer.with_override(Override::header(http::HeaderName::from_static("x-version"), |_| false)),
        |proxy| proxy,
    )
    .await;
    let mut client = gateway.connect().await;
    client.write_all(b"GET /auth HTTP/1.1\r\nhost: shop\r\nx-version: v1\r\n\r\n").await.unwrap();
    let answer = "HTTP/1.1 200 OK\r\nconnection: canary-override-refused, set-cookie, x-own\r\nset-cookie: a=b\r\n\
                  x-own: 1\r\ncontent-length: 0\r\n\r\n";
    let _connection = backend.answer(answer).await;
    let answer = read_until(&mut client, "\r\n\r\n").await;
    assert!(answer.contains("canary-override-refused") && answer.contains("set-cookie: a=b"), "{answer}");
    assert!(!answer.contains("x-own"), "{answer}");
}

// They are removed in both directions.
#[tokio::test]
async fn forbidden_trailers_are_removed() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::start(&[backend.address], |proxy| proxy).await;
    let mut client = gateway.connect().await;
    let names = ["x-sum", "x-forwarded-for", "cookie", "x_under", "via", "connection", "set-cookie"];
    let trailers: String = names.iter().map(|name| format!("{name}: 1\r\n")).collect();
    let announced = names.join(", ");
    let head = format!(
        "POST /auth HTTP/1.1\r\nhost: shop\r\nte: trailers\r\ntransfer-encoding: chunked\r\ntrailer: {announced}\r\n\r\n"
    );
    client.write_all(format!("{head}2\r\nup\r\n0\r\n{trailers}\r\n").as_bytes()).await.unwrap();
    let (_, mut connection) = backend.next().await;
    let seen = read_chunked(&mut connection).await;
    let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: {announced}\r\n\r\n");
    connection.write_all(format!("{answer}4\r\ndown\r\n0\r\n{trailers}\r\n").as_bytes()).await.unwrap();
    let answer = read_chunked(&mut client).await;
    for (passed, expected) in [(seen, &["x-sum"][..]), (answer, &["x-sum", "x_under"])] {
        let trailers = passed.rsplit("\r\n0\r\n").next().unwrap().to_lowercase();
        let names = trailers.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name);
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        assert_eq!(names, expected, "{passed}");
    }
}

#[tokio::test]
async fn chunked_overrides_content_length() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::start(&[backend.address], |proxy| proxy).await;
    let mut client = gateway.connect().await;
    client.write_all(b"GET /auth HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").await.unwrap();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n";
    let _connection = backend.answer(answer).await;
    let answer = read_until(&mut client, "0123456789").await;
    assert!(!answer.to_lowercase().contains("content-length"), "{answer}");
}
