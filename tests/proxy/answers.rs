//! The responses that clients get: of backends, in time and whole, and of the proxy itself.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Empty, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};
use tower::timeout::Timeout;
use tower::{Service, ServiceExt, service_fn};
use tower_canary::proxy::{GrpcOverHttp2, Proxy, RequestBody};

use crate::support::{Backend, Gateway, expect, head, is_closed};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn get() -> Request<Empty<Bytes>> {
    Request::get("/").header("host", "shop").body(Empty::new()).unwrap()
}

fn grpc() -> Request<Empty<Bytes>> {
    let request = Request::post("/auth.Auth/Login").header("host", "shop");
    request.header("content-type", "application/grpc+proto").body(Empty::new()).unwrap()
}

async fn status<S>(proxy: Proxy<S>, request: Request<Empty<Bytes>>) -> (StatusCode, Option<String>)
where
    S: Service<Request<RequestBody<Empty<Bytes>>>, Response = Response<Full<Bytes>>>,
    S::Error: Into<BoxError>,
{
    let answer = proxy.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {});
    let of_grpc = answer.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned());
    (answer.status(), of_grpc)
}

/// An error as clients return it: its cause is somewhere in its chain.
#[derive(Debug)]
struct Outer(BoxError);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("client error")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn timeout_errors_are_504_others_502() {
    let elapsed = tokio::time::timeout(Duration::ZERO, pending::<()>()).await.unwrap_err();
    let causes: [(BoxError, u16, &str); 4] = [
        (io::Error::from(io::ErrorKind::TimedOut).into(), 504, "4"),
        (elapsed.into(), 504, "4"),
        (tower::timeout::error::Elapsed::new().into(), 504, "4"),
        (io::Error::from(io::ErrorKind::ConnectionRefused).into(), 502, "14"),
    ];
    for (cause, expected, of_grpc) in causes {
        let cause = std::sync::Arc::new(std::sync::Mutex::new(Some(cause)));
        let failing = service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
            let cause = cause.lock().unwrap().take();
            ready(match cause {
                Some(cause) => Err(Outer(cause)),
                None => Ok(Response::new(Full::default())),
            })
        });
        let is_grpc = expected == 502;
        let answered = status(Proxy::new(failing), if is_grpc { grpc() } else { get() }).await;
        let wanted = if is_grpc {
            (StatusCode::OK, Some(of_grpc.to_owned()))
        } else {
            (StatusCode::GATEWAY_TIMEOUT, None)
        };
        assert_eq!(answered, wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn tower_timeout_is_504() {
    let silent = service_fn(|_: Request<RequestBody<Empty<Bytes>>>| {
        pending::<Result<Response<Full<Bytes>>, io::Error>>()
    });
    let proxy = Proxy::new(Timeout::new(silent, Duration::from_secs(1)));
    assert_eq!(status(proxy.clone(), get()).await, (StatusCode::GATEWAY_TIMEOUT, None));
    assert_eq!(status(proxy, grpc()).await, (StatusCode::OK, Some("4".to_owned())));
}

/// A client that reads the body to its end and never responds.
async fn silent(request: Request<RequestBody<Channel<Bytes>>>) -> Result<Response<Full<Bytes>>, BoxError> {
    let _ = request.into_body().collect().await;
    pending().await
}

// A minute from the last 16 KiB of the upload, or from its end.
#[tokio::test(start_paused = true)]
async fn timeout_restarts_with_upload_progress() {
    let theirs = StatusCode::REQUEST_TIMEOUT;
    let backends = StatusCode::GATEWAY_TIMEOUT;
    // The size of a chunk, the seconds before each, their number, and whether the body ends; then the status and its time.
    for (chunk, pause, times, ends, expected) in [
        (16 * 1024, 50, 5, false, (theirs, 250 + 60)),
        (1024, 3, 16, false, (theirs, 48 + 60)),
        (1, 50, 99, false, (theirs, 60)),
        (1, 20, 2, true, (backends, 40 + 60)),
    ] {
        let (mut sender, body) = Channel::new(1);
        let request = Request::post("/").header("host", "shop").body(body).unwrap();
        let start = Instant::now();
        let answer = tokio::spawn(async move {
            let answer = Proxy::new(service_fn(silent)).oneshot(request).await;
            (answer.unwrap_or_else(|never| match never {}).status(), start.elapsed().as_secs())
        });
        for _ in 0..times {
            sleep(Duration::from_secs(pause)).await;
            if sender.send_data(Bytes::from(vec![b'x'; chunk])).await.is_err() {
                break;
            }
        }
        let open = Some(sender).filter(|_| !ends);
        assert_eq!(answer.await.unwrap(), expected, "{chunk}");
        drop(open);
    }
}

#[tokio::test(start_paused = true)]
async fn grpc_message_restarts_the_timeout() {
    let (mut sender, body) = Channel::new(1);
    let request = Request::post("/").header("host", "shop").header("content-type", "application/grpc");
    let request = request.body(body).unwrap();
    let start = Instant::now();
    let answer = tokio::spawn(async move {
        let answer = Proxy::new(service_fn(silent)).oneshot(request).await;
        (answer.unwrap_or_else(|never| match never {}), start.elapsed().as_secs())
    });
    for _ in 0..10 {
        sleep(Duration::from_secs(50)).await;
        sender.send_data(Bytes::from("x")).await.unwrap();
    }
    let (answer, after) = answer.await.unwrap();
    assert_eq!((answer.headers()["grpc-message"].as_bytes(), after), (&b"request-timeout"[..], 500 + 60));
}

#[tokio::test(start_paused = true)]
async fn response_timeout_is_configurable() {
    let silent = service_fn(|_: Request<RequestBody<Empty<Bytes>>>| {
        pending::<Result<Response<Full<Bytes>>, io::Error>>()
    });
    let start = Instant::now();
    let proxy = Proxy::new(silent);
    let answered = status(proxy.clone().with_response_timeout(Duration::from_secs(5)), get()).await;
    assert_eq!((answered.0, start.elapsed().as_secs()), (StatusCode::GATEWAY_TIMEOUT, 5));
    let forever = status(proxy.with_response_timeout(Duration::MAX), get());
    assert!(tokio::time::timeout(Duration::from_hours(1_000), forever).await.is_err());
}

// The client that was polled ready is the one called.
#[tokio::test]
async fn client_readiness_error_is_502() {
    /// Panics if it is called before it is ready. The first time it fails to become ready.
    #[derive(Debug, Default)]
    struct Strict {
        asked: u32,
        is_ready: bool,
    }
    impl Clone for Strict {
        fn clone(&self) -> Self {
            Self::default()
        }
    }
    impl Service<Request<RequestBody<Empty<Bytes>>>> for Strict {
        type Response = Response<Full<Bytes>>;
        type Error = io::Error;
        type Future = std::future::Ready<Result<Self::Response, io::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
            self.asked += 1;
            self.is_ready = self.asked > 1;
            Poll::Ready(if self.is_ready { Ok(()) } else { Err(io::Error::other("closed")) })
        }

        fn call(&mut self, _: Request<RequestBody<Empty<Bytes>>>) -> Self::Future {
            assert!(std::mem::take(&mut self.is_ready), "called without being ready");
            ready(Ok(Response::new(Full::default())))
        }
    }
    let mut proxy = Proxy::new(Strict::default());
    for expected in [StatusCode::BAD_GATEWAY, StatusCode::OK, StatusCode::OK] {
        let answer = proxy.ready().await.unwrap().call(get()).await.unwrap();
        assert_eq!(answer.status(), expected);
    }
    // A clone of a proxy that failed to become ready uses its own client.
    assert_eq!(proxy.clone().oneshot(get()).await.unwrap().status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn proxy_errors_are_grpc_statuses() {
    fn with(name: &'static str, value: &'static str) -> Request<Empty<Bytes>> {
        let mut request = grpc();
        request.headers_mut().append(name, value.parse().unwrap());
        request
    }

    let proxy = Proxy::new(service_fn(|_: Request<RequestBody<Empty<Bytes>>>| {
        ready(Ok::<_, io::Error>(Response::new(Full::default())))
    }))
    .with_via("gateway")
    .unwrap();
    for (request, expected) in [
        (with("host", "other"), "3"),
        (with("transfer-encoding", "gzip"), "12"),
        (with("via", "1.1 first, 2 Gateway (a comment)"), "13"),
    ] {
        assert_eq!(status(proxy.clone(), request).await, (StatusCode::OK, Some(expected.to_owned())));
    }
    for (name, value) in [("via", "1.1 gateway2"), ("content-type", "application/grpc-web")] {
        assert_eq!(status(proxy.clone(), with(name, value)).await.0, StatusCode::OK, "{value}");
    }
}

// Other requests go over HTTP/1.1 with a `Host` header.
#[tokio::test]
async fn grpc_over_http2_has_no_host_header() {
    let client = |name: &'static str| {
        tower::util::BoxCloneService::new(service_fn(move |request: Request<RequestBody<Empty<Bytes>>>| {
            let text = format!("{name} {}", request.headers().contains_key("host"));
            ready(Ok::<_, io::Error>(Response::new(Full::<Bytes>::from(text))))
        }))
    };
    let proxy = Proxy::new(GrpcOverHttp2::new(client("http/1.1"), client("http/2")));
    for (request, expected) in [(get(), "http/1.1 true"), (grpc(), "http/2 false")] {
        let answer = proxy.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), expected);
    }
}

// The backend reads no more of the upload.
#[tokio::test]
async fn early_response_passes_during_upload() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::start(&[backend.address], |proxy| proxy).await;
    let client = gateway.send("POST / HTTP/1.1\r\nhost: shop\r\ncontent-length: 100000000\r\n\r\n").await;
    let (mut from, mut to) = client.into_split();
    let uploading = tokio::spawn(async move { to.write_all(&vec![b'x'; 100_000_000]).await });
    let _open = backend.answer("HTTP/1.1 413 Payload Too Large\r\ncontent-length: 9\r\n\r\ntoo large").await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"too large") {
        let received = tokio::time::timeout(Duration::from_secs(5), from.read_buf(&mut answer)).await;
        assert_ne!(received.unwrap().unwrap(), 0, "{}", String::from_utf8_lossy(&answer));
    }
    assert!(answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
    uploading.abort();
}

// The final response is.
#[tokio::test]
async fn early_hints_are_not_forwarded() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::start(&[backend.address], |proxy| proxy).await;
    let mut client = gateway.send("GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    let answer =
        "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    backend.answer(answer).await;
    let message = head(&mut client).await;
    assert!(message.starts_with("http/1.1 200") && !message.contains("link"), "{message}");
    expect(&mut client, "ok").await;
}

#[tokio::test]
async fn bodyless_responses_keep_headers() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::start(&[backend.address], |proxy| proxy).await;
    for (method, answer, kept) in [
        ("HEAD", "200 OK\r\ncontent-length: 1234", "content-length: 1234"),
        ("GET", "304 Not Modified\r\netag: \"a\"", "etag: \"a\""),
        ("DELETE", "204 No Content\r\nx-kept: 1", "x-kept: 1"),
    ] {
        let mut client = gateway.send(&format!("{method} / HTTP/1.1\r\nhost: shop\r\n\r\n")).await;
        let _server = backend.answer(&format!("HTTP/1.1 {answer}\r\n\r\n")).await;
        let message = head(&mut client).await;
        assert!(message.contains(kept), "{message}");
        // The next response follows the head immediately.
        client.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").await.unwrap();
        // The proxy's client may use a new connection, or this one.
        drop(_server);
        backend.answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        assert!(head(&mut client).await.starts_with("http/1.1 200"), "{method}");
        expect(&mut client, "ok").await;
        assert!(is_closed(&mut client).await);
    }
}
