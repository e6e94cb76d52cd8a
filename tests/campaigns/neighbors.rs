//! Hanging streams of one service, beside calls to another. Both services share one connection of the client and one
//! connection to the backend.

use std::convert::Infallible;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::harness::{AnyBody, Gateway, full};
use crate::setting;
use crate::support::percentiles;

const HANGING: [usize; 3] = [1, 10, 100];

/// Duration of each measurement.
const WINDOW: Duration = Duration::from_secs(4);

/// Number of good callers, and their interval.
const CALLERS: usize = 8;
const INTERVAL: Duration = Duration::from_millis(10);

/// Size of a good call, in each direction.
const SIZE: usize = 20_000;

/// Windows of the client and of the backend that keep their streams apart, so that only the gateway can mix them.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 64 << 20;

/// What hangs.
#[derive(Clone, Copy, Debug)]
enum Hanging {
    /// Uploads that the backend does not read, over HTTP/1.1.
    Uploads,
    /// The same, over HTTP/2.
    Calls,
    /// Responses that the client does not read, over HTTP/2.
    Responses,
}

impl Hanging {
    /// A request for `path`. gRPC goes over HTTP/2 to the backend.
    fn request(self, gateway: &Gateway, path: &str, body: AnyBody) -> Request<AnyBody> {
        let mut request = Request::post(gateway.url(path));
        if !matches!(self, Self::Uploads) {
            request = request.header("content-type", "application/grpc");
        }
        request.body(body).unwrap()
    }

    fn hanging_request(self, gateway: &Gateway) -> Request<AnyBody> {
        match self {
            Self::Uploads | Self::Calls => self.request(gateway, "/hanging/unread", large()),
            Self::Responses => self.request(gateway, "/hanging/flood", full("")),
        }
    }
}

/// Number of frames of hanging bodies that were created.
static CREATED: AtomicUsize = AtomicUsize::new(0);

/// A body of 256 MiB, created while it is sent.
fn large() -> AnyBody {
    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    let frames = (0..4_096).map(move |_| {
        CREATED.fetch_add(1, Ordering::Relaxed);
        Ok(Frame::data(chunk.clone()))
    });
    BodyExt::boxed(StreamBody::new(stream::iter(frames)))
}

/// Waits until the hanging bodies have filled the buffers and windows on their way.
async fn stalled() {
    let mut before = None;
    while before != Some(CREATED.load(Ordering::Relaxed)) {
        before = Some(CREATED.load(Ordering::Relaxed));
        sleep(Duration::from_millis(500)).await;
    }
}

/// Starts a backend for both services. Returns its URL.
async fn shared_backend() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let mut builder = auto::Builder::new(TokioExecutor::new());
            let mut http2 = builder.http2();
            http2.initial_stream_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
            http2.max_concurrent_streams(1_000);
            tokio::spawn(async move {
                let _ = builder.serve_connection(TokioIo::new(stream), service_fn(respond)).await;
            });
        }
    });
    url
}

/// Reads nothing, floods, or sends the body back.
async fn respond(request: Request<Incoming>) -> Result<Response<AnyBody>, Infallible> {
    let body = match request.uri().path() {
        "/hanging/unread" => {
            let _unread = request;
            pending().await
        }
        "/hanging/flood" => large(),
        _ => full(request.into_body().collect().await.unwrap().to_bytes()),
    };
    Ok(Response::new(body))
}

async fn connect(gateway: &Gateway) -> SendRequest<AnyBody> {
    let stream = TcpStream::connect(&gateway.data).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
    let (client, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Returns the median and the 99th percentile of the good calls.
async fn good_calls(kind: Hanging, client: &SendRequest<AnyBody>, gateway: &Gateway) -> (Duration, Duration) {
    let end = Instant::now() + WINDOW;
    let callers = (0..CALLERS).map(|_| async move {
        let mut client = client.clone();
        let mut waited = Vec::new();
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < end {
            ticks.tick().await;
            let request = kind.request(gateway, "/good/", full(vec![b'x'; SIZE]));
            let start = Instant::now();
            let response = client.send_request(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), SIZE);
            waited.push(start.elapsed());
        }
        waited
    });
    let waited = futures_util::future::join_all(callers).await.concat();
    let (median, p99, _) = percentiles(waited);
    (median, p99)
}

/// Measures without hanging streams, then beside each number of them.
async fn round(kind: Hanging, client: &SendRequest<AnyBody>, gateway: &Gateway) -> Vec<(Duration, Duration)> {
    let mut waited = vec![good_calls(kind, client, gateway).await];
    let mut hanging = JoinSet::new();
    for count in HANGING {
        while hanging.len() < count {
            let request = kind.hanging_request(gateway);
            let sent = client.clone().send_request(request);
            hanging.spawn(async move {
                let _unread = sent.await;
                pending::<()>().await;
            });
        }
        gateway.wait_in_flight("hanging", "v1", count).await;
        stalled().await;
        waited.push(good_calls(kind, client, gateway).await);
    }
    hanging.shutdown().await;
    gateway.wait_in_flight("hanging", "v1", 0).await;
    waited
}

/// The ratio of the 99th percentiles with and without hanging streams, by the medians of the rounds, is at most 1.2.
async fn neighbors_do_not_wait(kind: Hanging) {
    let backend = shared_backend().await;
    let options =
        ["--no-demo", "--threads", "1", "--response-timeout", "3600", "--body-idle-timeout", "3600"];
    let gateway = Gateway::start(&options);
    for service in ["hanging", "good"] {
        gateway.register(service, "v1", &format!("{backend}/{service}")).await;
    }
    let client = connect(&gateway).await;
    good_calls(kind, &client, &gateway).await;
    let mut rounds = Vec::new();
    for _ in 0..setting("CANARY_CAMPAIGN_NEIGHBORS", 5) {
        rounds.push(round(kind, &client, &gateway).await);
        println!("{kind:?}: median and p99 alone, beside {HANGING:?}: {:?}", rounds.last().unwrap());
    }
    let medians = ratios(&rounds, |waited| waited.0);
    let p99 = ratios(&rounds, |waited| waited.1);
    println!("{kind:?} beside {HANGING:?}: ratios of medians {medians:.2?}, of p99 {p99:.2?}");
    assert!(p99.iter().all(|ratio| *ratio <= 1.2), "{p99:?}");
}

/// Returns the ratio beside each number of hanging streams, by the medians of the rounds.
fn ratios(rounds: &[Vec<(Duration, Duration)>], get: fn(&(Duration, Duration)) -> Duration) -> Vec<f64> {
    let columns = (0..=HANGING.len())
        .map(|column| percentiles(rounds.iter().map(|round| get(&round[column])).collect()).0.as_secs_f64());
    let columns: Vec<_> = columns.collect();
    columns[1..].iter().map(|waited| waited / columns[0]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn unread_uploads_delay_no_neighbor() {
    neighbors_do_not_wait(Hanging::Uploads).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn unread_calls_delay_no_neighbor() {
    neighbors_do_not_wait(Hanging::Calls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn unread_responses_delay_no_neighbor() {
    neighbors_do_not_wait(Hanging::Responses).await;
}
