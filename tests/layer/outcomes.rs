//! The outcome of a request: by its status, by the end of its body, and by a client that leaves.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::traffic::{Outcome, VersionTraffic};
use tower_http::timeout::TimeoutLayer;

use crate::support::*;

type Frames = Vec<Result<Frame<Bytes>, io::Error>>;
type Answer = Result<Response<UnsyncBoxBody<Bytes, io::Error>>, io::Error>;

fn body(frames: Frames) -> UnsyncBoxBody<Bytes, io::Error> {
    StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
}

fn data() -> Result<Frame<Bytes>, io::Error> {
    Ok(Frame::data(Bytes::from("data")))
}

fn trailers(grpc_status: &'static str) -> Frame<Bytes> {
    Frame::trailers(HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static(grpc_status),
    )]))
}

/// Reads the response to its end or its error, and returns its outcome.
async fn outcome(answer: impl FnOnce() -> Answer) -> Outcome {
    let handle = auth(&[("http://h", 100.0)]);
    let answer = std::sync::Mutex::new(Some(answer));
    let client = service_fn(|_: Request<()>| std::future::ready((answer.lock().unwrap().take().unwrap())()));
    if let Ok(response) = fixed(&handle).layer(client).oneshot(get("/")).await {
        assert_eq!(traffic_of(&handle, 0).in_flight, 1);
        drop(response.into_body().collect().await);
    }
    only(&traffic_of(&handle, 0))
}

/// Drops a response after some of its frames.
async fn drop_after<S, B>(frames: usize, service: S)
where
    S: tower::Service<Request<()>, Response = Response<B>, Error: std::fmt::Debug>,
    B: http_body::Body<Error: std::fmt::Debug> + Unpin,
{
    let mut body = service.oneshot(get("/")).await.unwrap().into_body();
    for _ in 0..frames {
        assert!(body.frame().await.unwrap().is_ok());
    }
}

/// Returns the outcome of the only request.
fn only(version: &VersionTraffic) -> Outcome {
    assert_eq!((version.total.requests(), version.total.ended(), version.in_flight), (1, 1, 0));
    *Outcome::ALL.iter().find(|outcome| version.total.outcome(**outcome) == 1).unwrap()
}

fn answering(status: u16, frames: Frames) -> impl FnOnce() -> Answer {
    move || Response::builder().status(status).body(body(frames)).map_err(io::Error::other)
}

#[tokio::test]
async fn each_request_has_one_outcome() {
    for (status, expected) in [
        (200, Outcome::Success),
        (304, Outcome::Redirection),
        (404, Outcome::ClientError),
        (503, Outcome::ServerError),
        (999, Outcome::ServerError),
    ] {
        assert_eq!(outcome(answering(status, vec![data(), data()])).await, expected);
        assert_eq!(outcome(answering(status, vec![])).await, expected);
    }
    assert_eq!(outcome(|| Err(io::Error::other("refused"))).await, Outcome::Error);
    let cut = answering(200, vec![data(), Err(io::Error::other("cut"))]);
    assert_eq!(outcome(cut).await, Outcome::Error);
}

// From the trailers, or from the headers of a response without a body.
#[tokio::test]
async fn grpc_outcome_follows_its_status() {
    for (status, expected) in [
        ("0", Outcome::Success),
        ("5", Outcome::ClientError),
        ("14", Outcome::ServerError),
        ("what", Outcome::ServerError),
    ] {
        let frames = vec![data(), Ok(trailers(status))];
        assert_eq!(outcome(answering(200, frames)).await, expected);
        let response = Response::builder().header("grpc-status", status);
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        assert_eq!(outcome(|| response.body(body).map_err(io::Error::other)).await, expected);
    }
}

#[tokio::test]
async fn missing_grpc_status_is_a_failure() {
    fn by(version: http::Version, content_type: &'static str, frames: Frames) -> impl FnOnce() -> Answer {
        move || {
            let response = Response::builder().version(version).header("content-type", content_type);
            response.body(body(frames)).map_err(io::Error::other)
        }
    }

    fn grpc(frames: Frames) -> impl FnOnce() -> Answer {
        by(http::Version::HTTP_2, "application/grpc+proto", frames)
    }

    assert_eq!(outcome(grpc(vec![data()])).await, Outcome::ServerError);
    assert_eq!(outcome(grpc(vec![])).await, Outcome::ServerError);
    assert_eq!(
        outcome(grpc(vec![data(), Ok(Frame::trailers(HeaderMap::new()))])).await,
        Outcome::ServerError
    );
    assert_eq!(outcome(grpc(vec![data(), Ok(trailers("0"))])).await, Outcome::Success);
    // Other content types and HTTP/1.1 have no gRPC status.
    assert_eq!(outcome(by(http::Version::HTTP_2, "text/plain", vec![data()])).await, Outcome::Success);
    assert_eq!(outcome(by(http::Version::HTTP_11, "application/grpc", vec![data()])).await, Outcome::Success);
}

#[tokio::test]
async fn abandoned_response_is_cancelled() {
    async fn half_read(read: usize, body: Frames) -> Outcome {
        let handle = auth(&[("http://h", 100.0)]);
        let answer = std::sync::Mutex::new(Some(answering(200, body)));
        let client =
            service_fn(|_: Request<()>| std::future::ready((answer.lock().unwrap().take().unwrap())()));
        drop_after(read, fixed(&handle).layer(client)).await;
        only(&traffic_of(&handle, 0))
    }

    let handle = auth(&[("http://h", 100.0)]);
    let never = service_fn(|_: Request<()>| std::future::pending::<Answer>());
    let mut layered = fixed(&handle).layer(never);
    drop(tower::Service::call(&mut layered, get("/")));
    assert_eq!(only(&traffic_of(&handle, 0)), Outcome::Abandoned);

    assert_eq!(half_read(0, vec![data(), data()]).await, Outcome::Cancelled);
    assert_eq!(half_read(1, vec![data(), data()]).await, Outcome::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn an_outer_timeout_counts_as_abandoned() {
    let handle = auth(&[("http://h", 100.0)]);
    let slow = service_fn(|_: Request<()>| async {
        sleep(Duration::from_secs(1)).await;
        Ok::<_, io::Error>(Response::new(Full::<Bytes>::from("late")))
    });
    let limit = Duration::from_millis(50);
    let stack = tower::ServiceBuilder::new()
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, limit))
        .layer(fixed(&handle))
        .service(slow);
    assert_eq!(stack.oneshot(get("/")).await.unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
    let total = traffic_of(&handle, 0).total;
    assert_eq!((total.outcome(Outcome::Abandoned), total.outcome(Outcome::Cancelled)), (1, 0));
    assert_eq!((total.ended(), total.latencies.count()), (1, 0));
}

#[test]
fn outcomes_are_written_and_read_alike() {
    for outcome in Outcome::ALL {
        assert_eq!(outcome.to_string().parse(), Ok(*outcome));
        assert_eq!(outcome.to_string(), outcome.as_str());
    }
    assert!("Success".parse::<Outcome>().is_err());
}

// The end of its body was not polled.
#[tokio::test]
async fn ended_response_is_not_cancelled() {
    let handle = auth(&[("http://h", 100.0)]);
    let client = service_fn(|_: Request<()>| {
        std::future::ready(Ok::<_, io::Error>(Response::new(Full::<Bytes>::from("all"))))
    });
    let mut body = fixed(&handle).layer(client).oneshot(get("/")).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().is_ok());
    drop(body);
    assert_eq!(only(&traffic_of(&handle, 0)), Outcome::Success);

    let handle = auth(&[("http://h", 100.0)]);
    drop(fixed(&handle).layer(Echo).oneshot(get("/")).await.unwrap());
    assert_eq!(only(&traffic_of(&handle, 0)), Outcome::Success);
}

#[tokio::test]
async fn closed_tunnel_counts_as_1xx() {
    let handle = auth(&[("http://h", 100.0)]);
    let switching =
        service_fn(|_: Request<()>| async { Response::builder().status(101).body(Empty::<Bytes>::new()) });
    let response = fixed(&handle).layer(switching).oneshot(get("/")).await.unwrap();
    assert_eq!((traffic_of(&handle, 0).in_flight, traffic_of(&handle, 0).total.ended()), (1, 0));
    drop(response);
    assert_eq!(only(&traffic_of(&handle, 0)), Outcome::Informational);
}

/// A body like hyper's for HTTP/1: it does not know its end before it is polled again.
struct Chunked(Vec<Frame<Bytes>>, Option<u64>);

impl http_body::Body for Chunked {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = (!self.0.is_empty()).then(|| self.0.remove(0));
        let brought = frame.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len);
        self.1 = self.1.map(|left| left - u64::try_from(brought).unwrap());
        std::task::Poll::Ready(frame.map(Ok))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.1.map_or_else(http_body::SizeHint::default, http_body::SizeHint::with_exact)
    }
}

#[tokio::test]
async fn last_byte_or_trailers_end_a_response() {
    async fn read(body: fn() -> Chunked, frames: usize) -> Outcome {
        let handle = auth(&[("http://h", 100.0)]);
        let client =
            service_fn(move |_: Request<()>| std::future::ready(Ok::<_, io::Error>(Response::new(body()))));
        drop_after(frames, fixed(&handle).layer(client)).await;
        only(&traffic_of(&handle, 0))
    }

    fn with_trailers() -> Chunked {
        Chunked(vec![data().unwrap(), trailers("0")], None)
    }

    assert_eq!(read(with_trailers, 2).await, Outcome::Success);
    assert_eq!(read(with_trailers, 1).await, Outcome::Cancelled);
    assert_eq!(read(|| Chunked(vec![data().unwrap()], Some(4)), 1).await, Outcome::Success);
    assert_eq!(read(|| Chunked(vec![data().unwrap()], Some(8)), 1).await, Outcome::Cancelled);
}
