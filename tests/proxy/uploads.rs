//! Request bodies that end before their end.

use std::collections::VecDeque;
use std::convert::Infallible;
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
use crate::support::{Backend, Gateway, serve_by_hyper};

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

// hyper reports the end of the body for it.
#[tokio::test]
async fn reset_without_error_is_no_end() {
    for content_type in ["text/plain", "application/grpc"] {
        let mut backend = Backend::start().await;
        let routes = Gateway::start(&[backend.address], |proxy| proxy).await;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let layer = WeightedVersionLayer::new(&routes.handle, Target::service("auth".parse().unwrap()));
        let (address, _serving) = serve_by_hyper(Proxy::new(layer.layer(client))).await;
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
