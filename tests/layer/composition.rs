//! The layer among others: it is ready when the client is, and calls the client that was polled ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tower_test::mock;

use crate::support::*;

/// A client that panics if it is called before it was ready, as `Buffer` and `ConcurrencyLimit` do.
#[derive(Debug)]
struct Strict {
    ready: bool,
    calls: Arc<AtomicUsize>,
}

impl Strict {
    fn new() -> Self {
        Self { ready: false, calls: Arc::new(AtomicUsize::new(0)) }
    }
}

impl Clone for Strict {
    // Readiness is not copied: a clone must become ready itself.
    fn clone(&self) -> Self {
        Self { ready: false, calls: Arc::clone(&self.calls) }
    }
}

impl Service<Request<Full<Bytes>>> for Strict {
    type Response = Response<Full<Bytes>>;
    type Error = tower::BoxError;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been ready");
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        let host = request.uri().host().unwrap().to_owned();
        let fails = request.headers().contains_key("x-fail-first") && calls == 0;
        std::future::ready(if fails {
            Err("first call fails".into())
        } else {
            Ok(Response::new(host.into()))
        })
    }
}

fn request() -> Request<Full<Bytes>> {
    Request::get("/").body(Full::default()).unwrap()
}

async fn canaries_of_1_000<S, B>(service: S) -> usize
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: std::fmt::Debug> + Clone,
    B: http_body::Body<Data: std::fmt::Debug, Error: std::fmt::Debug>,
{
    let mut canaries = 0;
    for _ in 0..1_000 {
        // A clone per request, as axum and hyper do.
        let response = service.clone().oneshot(request()).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        canaries += usize::from(bytes == "i");
    }
    canaries
}

fn canary() -> tower_canary::WeightedVersionLayer {
    fixed(&auth(&[("http://h", 90.0), ("http://i", 10.0)]))
}

// The client that was polled ready is the one called.
#[tokio::test]
async fn clone_per_request_keeps_the_ratio() {
    assert_eq!(canaries_of_1_000(canary().layer(Strict::new())).await, 100);
}

#[tokio::test]
async fn works_under_tower_middleware() {
    let shed = ServiceBuilder::new().load_shed().layer(canary()).service(Strict::new());
    assert_eq!(canaries_of_1_000(shed).await, 100);
    let limited = ServiceBuilder::new()
        .concurrency_limit(2)
        .layer(canary())
        .concurrency_limit(1)
        .service(Strict::new());
    assert_eq!(canaries_of_1_000(limited).await, 100);
    let buffered = ServiceBuilder::new().buffer(4).layer(canary()).buffer(1).service(Strict::new());
    assert_eq!(canaries_of_1_000(buffered).await, 100);
    let timed = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(1)))
        .layer(canary())
        .timeout(Duration::from_secs(1))
        .service(Strict::new());
    assert_eq!(canaries_of_1_000(timed).await, 100);
}

#[derive(Clone)]
struct Twice;

impl<R, E> tower::retry::Policy<Request<Full<Bytes>>, R, E> for Twice {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut Request<Full<Bytes>>, result: &mut Result<R, E>) -> Option<Self::Future> {
        result.is_err().then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}

// Each attempt draws from the original request.
#[tokio::test]
async fn outer_retry_draws_again() {
    let strict = Strict::new();
    let calls = Arc::clone(&strict.calls);
    let retried = ServiceBuilder::new().retry(Twice).layer(canary()).service(strict);
    let request = Request::get("/x").header("x-fail-first", "1").body(Full::default()).unwrap();
    assert_eq!(retried.oneshot(request).await.unwrap().status(), 200);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn readiness_follows_the_client() {
    let handle = auth(&[("http://h", 100.0)]);
    let (mut layered, mut client) =
        mock::spawn_with(|client: mock::Mock<Request<()>, Response<String>>| fixed(&handle).layer(client));
    client.allow(0);
    tokio_test::assert_pending!(layered.poll_ready());
    client.allow(1);
    tokio_test::assert_ready_ok!(layered.poll_ready());
    let answer = layered.call(get("/"));
    let (sent, reply) = client.next_request().await.unwrap();
    assert_eq!(sent.uri(), "http://h/");
    tokio_test::assert_pending!(layered.poll_ready());
    reply.send_response(Response::new(String::new()));
    assert_eq!(answer.await.unwrap().status(), 200);
}

#[tokio::test]
async fn client_readiness_error_propagates() {
    let handle = auth(&[("http://h", 100.0)]);
    let (mut layered, mut client) =
        mock::spawn_with(|client: mock::Mock<Request<()>, Response<String>>| fixed(&handle).layer(client));
    client.send_error("gone");
    assert!(tokio_test::assert_ready!(layered.poll_ready()).is_err());
}
