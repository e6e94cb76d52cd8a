//! Request bodies that end before their end.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::proxy::{Proxy, RequestBody};
use tower_canary::{Target, WeightedVersionLayer};

use crate::frames;
use crate::support::{Backend, Gateway, Running, expect, serve_by_hyper};

/// A body that says what a test wants of its end.
struct Scripted {
    frames: VecDeque<&'static str>,
    reports_end: bool,
    lacking: u64,
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.pop_front().map(|text| Ok(Frame::data(text.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.reports_end && self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.lacking + self.frames.iter().map(|text| text.len() as u64).sum::<u64>());
        hint
    }
}

fn body(reports_end: bool, lacking: u64) -> Scripted {
    Scripted { frames: ["a", "b"].into(), reports_end, lacking }
}

/// Uploads `body` to a client that reads all of it, and returns the status.
async fn upload(version: Version, body: Scripted, checks_end: bool) -> u16 {
    let client = service_fn(async |request: Request<RequestBody<Scripted>>| {
        let body = request.into_body().collect().await?;
        assert_eq!(body.to_bytes(), "ab");
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Response::new(Full::<Bytes>::default()))
    });
    let proxy = Proxy::new(client);
    let proxy = if checks_end { proxy } else { proxy.with_unreported_body_end() };
    let request = Request::post("http://shop/").header("host", "shop").version(version).body(body).unwrap();
    proxy.oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn http2_body_must_report_its_end() {
    for (version, reports_end, lacking, checks_end, status) in [
        (Version::HTTP_2, true, 0, true, 200),
        (Version::HTTP_2, false, 0, true, 400),
        (Version::HTTP_2, false, 0, false, 200),
        (Version::HTTP_2, false, 1, false, 400),
        (Version::HTTP_11, false, 0, true, 200),
        (Version::HTTP_11, false, 1, true, 400),
    ] {
        let answered = upload(version, body(reports_end, lacking), checks_end).await;
        assert_eq!(answered, status, "{version:?} {reports_end} {lacking} {checks_end}");
    }
}

/// Serves the routes of `gateway` by hyper, over both versions of HTTP.
async fn serve_over_http2(gateway: &Gateway) -> (SocketAddr, Running) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let layer = WeightedVersionLayer::new(&gateway.handle, Target::service("auth".parse().unwrap()));
    serve_by_hyper(Proxy::new(layer.layer(client))).await
}

// hyper's client drops the body of these methods if the head does not announce it.
#[tokio::test]
async fn body_of_a_get_arrives_without_a_length() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::start(&[backend.address], |proxy| proxy).await;
    let (http2, _serving) = serve_over_http2(&gateway).await;
    for method in ["GET", "HEAD"] {
        let head = format!("{method} / HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n");
        let _client = gateway.send(&format!("{head}4\r\nbody\r\n0\r\n\r\n")).await;
        expect_chunked(&mut backend).await;

        let mut client = TcpStream::connect(http2).await.unwrap();
        let head = frames::head(false, &[(":method", method)]);
        let request = [frames::preface(&[]), head, frames::frame(0, 1, 1, b"body")];
        client.write_all(&request.concat()).await.unwrap();
        expect_chunked(&mut backend).await;
    }
}

/// Reads a request with the chunked body `body`.
async fn expect_chunked(backend: &mut Backend) {
    let (head, mut server) = backend.answer("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert!(head.contains("transfer-encoding: chunked\r\n") && !head.contains("content-length"), "{head}");
    expect(&mut server, "4\r\nbody\r\n0\r\n\r\n").await;
}

// Also where a middleware hides the end of the body.
#[tokio::test]
async fn get_without_a_body_announces_none() {
    for (version, checks_end) in [(Version::HTTP_11, true), (Version::HTTP_2, false)] {
        let client = service_fn(async |request: Request<RequestBody<Scripted>>| {
            assert!(!request.headers().contains_key("transfer-encoding"));
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        let proxy = Proxy::new(client);
        let proxy = if checks_end { proxy } else { proxy.with_unreported_body_end() };
        let hidden = Scripted { frames: VecDeque::new(), reports_end: false, lacking: 0 };
        let request = Request::get("http://shop/").header("host", "shop").version(version).body(hidden);
        assert_eq!(proxy.oneshot(request.unwrap()).await.unwrap().status(), 200, "{version:?}");
    }
}

// hyper reports the end of the body for it.
#[tokio::test]
async fn reset_without_error_is_no_end() {
    for content_type in ["text/plain", "application/grpc"] {
        let mut backend = Backend::start().await;
        let routes = Gateway::start(&[backend.address], |proxy| proxy).await;
        let (address, _serving) = serve_over_http2(&routes).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let head = frames::head(false, &[(":method", "POST"), ("content-type", content_type)]);
        let request = [frames::preface(&[]), head, frames::frame(0, 0, 1, b"half")];
        client.write_all(&request.concat()).await.unwrap();
        let (_, mut server) = backend.answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        timeout(Duration::from_secs(5), frames::read_head(&mut client)).await.unwrap();
        client.write_all(&frames::frame(3, 0, 1, &[0; 4])).await.unwrap();
        let mut received = String::new();
        let reading = timeout(Duration::from_secs(5), server.read_to_string(&mut received)).await;
        let _ = reading.expect("the connection to the backend stays open");
        assert_eq!(received, "4\r\nhalf\r\n", "{content_type}");
    }
}
