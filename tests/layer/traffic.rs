//! Traffic of versions: counts by outcome, latencies, and recent activity.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use proptest::prelude::*;
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::routing::{Change, Reason, Route};
use tower_canary::traffic::{Outcome, VersionTraffic};
use tower_canary::{RoutingHandle, VersionName};
use tower_http::timeout::TimeoutLayer;

use crate::log::Log;
use crate::support::*;

type Answer = Result<Response<UnsyncBoxBody<Bytes, io::Error>>, io::Error>;

fn version(handle: &RoutingHandle, i: usize) -> VersionTraffic {
    handle.traffic("auth").unwrap().versions[i].clone()
}

fn body(frames: Vec<Result<Frame<Bytes>, io::Error>>) -> UnsyncBoxBody<Bytes, io::Error> {
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
        assert_eq!(version(&handle, 0).in_flight, 1);
        drop(response.into_body().collect().await);
    }
    only(&version(&handle, 0))
}

/// Returns the outcome of the only request.
fn only(version: &VersionTraffic) -> Outcome {
    assert_eq!((version.total.requests(), version.total.ended(), version.in_flight), (1, 1, 0));
    *Outcome::ALL.iter().find(|outcome| version.total.outcome(**outcome) == 1).unwrap()
}

fn answering(status: u16, frames: Vec<Result<Frame<Bytes>, io::Error>>) -> impl FnOnce() -> Answer {
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
        let at_once = || {
            let response = Response::builder().header("grpc-status", status);
            let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
            response.body(body).map_err(io::Error::other)
        };
        assert_eq!(outcome(at_once).await, expected);
    }
}

#[tokio::test]
async fn missing_grpc_status_is_a_failure() {
    let by = |version, content_type: &'static str, frames: Vec<_>| {
        move || {
            let response = Response::builder().version(version).header("content-type", content_type);
            response.body(body(frames)).map_err(io::Error::other)
        }
    };
    let grpc = |frames| by(http::Version::HTTP_2, "application/grpc+proto", frames);
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
    let handle = auth(&[("http://h", 100.0)]);
    let never = service_fn(|_: Request<()>| std::future::pending::<Answer>());
    let mut layered = fixed(&handle).layer(never);
    drop(tower::Service::call(&mut layered, get("/")));
    assert_eq!(only(&version(&handle, 0)), Outcome::Abandoned);

    let half_read = |read: usize, body: Vec<_>| async move {
        let handle = auth(&[("http://h", 100.0)]);
        let answer = std::sync::Mutex::new(Some(answering(200, body)));
        let client =
            service_fn(|_: Request<()>| std::future::ready((answer.lock().unwrap().take().unwrap())()));
        let mut body = fixed(&handle).layer(client).oneshot(get("/")).await.unwrap().into_body();
        for _ in 0..read {
            assert!(body.frame().await.unwrap().is_ok());
        }
        drop(body);
        only(&version(&handle, 0))
    };
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
    let total = version(&handle, 0).total;
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
    assert_eq!(only(&version(&handle, 0)), Outcome::Success);

    let handle = auth(&[("http://h", 100.0)]);
    drop(fixed(&handle).layer(Echo).oneshot(get("/")).await.unwrap());
    assert_eq!(only(&version(&handle, 0)), Outcome::Success);
}

#[tokio::test]
async fn closed_tunnel_counts_as_1xx() {
    let handle = auth(&[("http://h", 100.0)]);
    let switching =
        service_fn(|_: Request<()>| async { Response::builder().status(101).body(Empty::<Bytes>::new()) });
    let response = fixed(&handle).layer(switching).oneshot(get("/")).await.unwrap();
    assert_eq!((version(&handle, 0).in_flight, version(&handle, 0).total.ended()), (1, 0));
    drop(response);
    assert_eq!(only(&version(&handle, 0)), Outcome::Informational);
}

/// Sends `count` requests, each with a response after `time`.
async fn send(handle: &RoutingHandle, count: usize, time: Duration) {
    let slow = service_fn(|_: Request<()>| async move {
        sleep(time).await;
        Ok::<_, io::Error>(Response::new(Full::<Bytes>::from("hello")))
    });
    let all = (0..count).map(|_| async {
        let response = fixed(handle).layer(slow).oneshot(get("/")).await.unwrap();
        response.into_body().collect().await.unwrap()
    });
    futures_util::future::join_all(all).await;
}

#[tokio::test(start_paused = true)]
async fn percentiles_are_within_a_thirtieth() {
    let handle = auth(&[("http://h", 100.0)]);
    for millis in 1..=1000 {
        send(&handle, 1, Duration::from_millis(millis)).await;
    }
    let latencies = version(&handle, 0).total.latencies;
    assert_eq!(latencies.count(), 1000);
    for (q, millis) in [(0.0, 1.0), (0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)]
    {
        let reported = latencies.quantile(q).unwrap().as_secs_f64() * 1e3;
        assert!((reported / millis - 1.0_f64).abs() < 1.0 / 30.0, "{reported} ms for {millis} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn counts_work_without_latencies() {
    let handle = auth(&[("http://h", 100.0)]);
    let layer = fixed(&handle).without_latencies();
    drop(layer.layer(Echo).oneshot(get("/")).await.unwrap());
    let total = version(&handle, 0).total;
    assert_eq!((total.outcome(Outcome::Success), total.latencies.count()), (1, 0));
}

// They also report the share of each version.
#[tokio::test(start_paused = true)]
async fn windows_report_recent_activity() {
    let handle = auth(&[("http://h", 90.0), ("http://i", 10.0)]);
    // Two minutes with 10 requests a second, then one and a half without.
    for _ in 0..1200 {
        advance(Duration::from_millis(100)).await;
        send(&handle, 1, Duration::ZERO).await;
        handle.sample_traffic();
    }
    let windows = version(&handle, 1).windows;
    let [ten, minute, five] = &windows[..] else { panic!("{windows:?}") };
    assert!((0.9..=1.1).contains(&ten.per_second()) && (0.9..=1.1).contains(&minute.per_second()));
    assert!(
        (ten.length.as_secs_f64() - 10.0).abs() <= 2.1 && (minute.length.as_secs_f64() - 60.0).abs() <= 2.1
    );
    // Sampling began two minutes ago.
    assert!((119.0..=121.0).contains(&five.length.as_secs_f64()));
    assert_eq!(five.activity.requests(), version(&handle, 1).total.requests());
    let share = five.share.unwrap();
    assert_eq!((share.observed, share.of), (10.0, 1200));

    for _ in 0..45 {
        advance(Duration::from_secs(2)).await;
        handle.sample_traffic();
    }
    let windows = version(&handle, 1).windows;
    let [ten, minute, five] = &windows[..] else { panic!("{windows:?}") };
    assert_eq!((ten.activity.requests(), ten.share, minute.activity.requests()), (0, None, 0));
    assert_eq!(five.activity.requests(), 120);
    for _ in 0..200 {
        advance(Duration::from_secs(2)).await;
        handle.sample_traffic();
    }
    assert_eq!(version(&handle, 1).windows[2].activity.requests(), 0);
    assert_eq!(version(&handle, 1).total.requests(), 120);
}

#[tokio::test(start_paused = true)]
async fn idle_time_is_exact_to_a_sample() {
    let handle = auth(&[("http://h", 100.0)]);
    assert_eq!(version(&handle, 0).idle_for, None);
    let layered = fixed(&handle).layer(service_fn(|_: Request<()>| async {
        sleep(Duration::from_secs(100)).await;
        Ok::<_, io::Error>(Response::new(Full::<Bytes>::from("hello")))
    }));
    let request = spawn(layered.oneshot(get("/")));
    for _ in 0..49 {
        sleep(Duration::from_secs(2)).await;
        handle.sample_traffic();
        assert_eq!(version(&handle, 0).idle_for, None);
    }
    drop(request.await.unwrap().unwrap());
    let ended = Instant::now();
    for _ in 0..100 {
        sleep(Duration::from_secs(2)).await;
        handle.sample_traffic();
    }
    let idle = version(&handle, 0).idle_for.unwrap();
    assert!(ended.elapsed() - idle <= Duration::from_secs(2), "{idle:?} of {:?}", ended.elapsed());
}

// 100 tables, some with a changed URL.
#[tokio::test(start_paused = true)]
async fn counts_survive_republished_tables() {
    let before = split("auth", &[("http://h", 50.0), ("http://i", 50.0)]);
    let handle = handle(std::slice::from_ref(&before));
    let mut split = before;
    for i in 0..100 {
        send(&handle, 2, Duration::from_millis(10)).await;
        let change = match i % 3 {
            0 => Change::set_weight("v0".parse().unwrap(), "30".parse().unwrap()),
            1 => Change::set_weight("v0".parse().unwrap(), "50".parse().unwrap()),
            _ => Change::set_url("v0".parse().unwrap(), format!("http://h{i}").parse().unwrap()),
        };
        split = split.apply(&change, std::time::SystemTime::UNIX_EPOCH).unwrap();
        let table = std::iter::once(Route::compile(split.clone())).collect();
        handle.replace(&table);
    }
    let traffic = handle.traffic("auth").unwrap();
    let sum = |of: fn(&VersionTraffic) -> u64| traffic.versions.iter().map(of).sum::<u64>();
    assert_eq!(sum(|v| v.total.outcome(Outcome::Success)), 200);
    assert_eq!(sum(|v| v.total.latencies.count()), 200);
    assert_eq!(sum(|v| v.windows[2].activity.picks(Reason::Draw)), 200);
}

#[tokio::test]
async fn unserved_requests_count_apart() {
    let handle = auth(&[("http://h", 100.0)]);
    let layer = tower_canary::WeightedVersionLayer::new(&handle, tower_canary::Target::path_segment());
    sent(&layer, get("/nobody/x")).await.unwrap_err();
    assert_eq!((handle.unknown_service_requests(), handle.traffic("auth").unwrap().unserved), (1, 0));
    let gone = Change::force_deactivate("v0".parse().unwrap());
    let split =
        handle.route("auth").unwrap().split().apply(&gone, std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert!(handle.publish(Route::compile(split)));
    sent(&layer, get("/auth/x")).await.unwrap_err();
    assert_eq!((handle.unknown_service_requests(), handle.traffic("auth").unwrap().unserved), (1, 1));
    assert!(handle.traffic("auth").unwrap().versions[0].is_drained());
    assert_eq!(handle.traffic("nobody"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn concurrent_counts_are_exact(threads in 1..4_usize, each in 1..200_usize) {
        let handle = auth(&[("http://h", 70.0), ("http://i", 30.0)]);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                    runtime.block_on(send(&handle, each, Duration::ZERO));
                });
            }
        });
        let traffic = handle.traffic("auth").unwrap();
        let total = u64::try_from(threads * each).unwrap();
        prop_assert_eq!(traffic.versions.iter().map(|v| v.total.outcome(Outcome::Success)).sum::<u64>(), total);
        prop_assert_eq!(traffic.versions.iter().map(|v| v.total.latencies.count()).sum::<u64>(), total);
        prop_assert_eq!(traffic.versions.iter().map(|v| v.windows[0].activity.requests()).sum::<u64>(), total);
    }
}

#[tokio::test]
async fn span_fields_are_opt_in() {
    let handle = auth(&[("http://h", 100.0)]);
    let send = |layer: tower_canary::WeightedVersionLayer| async move {
        let span = tracing::info_span!(
            "request",
            canary.service = tracing::field::Empty,
            canary.version = tracing::field::Empty
        );
        let client = service_fn(|_: Request<()>| async {
            tracing::info!("answering");
            Ok::<_, io::Error>(Response::new(String::new()))
        });
        let _entered = span.entered();
        drop(futures_util::FutureExt::now_or_never(layer.layer(client).oneshot(get("/"))).unwrap().unwrap());
    };
    let log = Log::of_this_thread();
    send(fixed(&handle)).await;
    let silent = log.text();
    assert!(silent.contains("request: ") && silent.lines().count() == 1, "{silent}");
    send(fixed(&handle).with_span_fields()).await;
    let logged = log.text();
    assert!(logged.contains(r#"request{canary.service="auth" canary.version="v0"}"#), "{logged}");
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
    let read = |body: fn() -> Chunked, frames: usize| async move {
        let handle = auth(&[("http://h", 100.0)]);
        let client =
            service_fn(move |_: Request<()>| std::future::ready(Ok::<_, io::Error>(Response::new(body()))));
        let mut body = fixed(&handle).layer(client).oneshot(get("/")).await.unwrap().into_body();
        for _ in 0..frames {
            assert!(body.frame().await.unwrap().is_ok());
        }
        drop(body);
        only(&version(&handle, 0))
    };
    let with_trailers = || Chunked(vec![data().unwrap(), trailers("0")], None);
    assert_eq!(read(with_trailers, 2).await, Outcome::Success);
    assert_eq!(read(with_trailers, 1).await, Outcome::Cancelled);
    assert_eq!(read(|| Chunked(vec![data().unwrap()], Some(4)), 1).await, Outcome::Success);
    assert_eq!(read(|| Chunked(vec![data().unwrap()], Some(8)), 1).await, Outcome::Cancelled);
}

// A table without the service may be published meanwhile.
#[tokio::test]
async fn removed_version_stays_in_flight() {
    let before = split("auth", &[("http://h", 0.0), ("http://i", 100.0)]);
    let handle = handle(std::slice::from_ref(&before));
    let answer = service_fn(|_: Request<()>| {
        std::future::ready(Ok::<_, io::Error>(Response::new(Full::<Bytes>::from("hello"))))
    });
    let held = fixed(&handle).layer(answer).oneshot(get("/")).await.unwrap();

    // The table lacks the service for a while.
    handle.replace(&tower_canary::routing::RoutingTable::default());
    assert_eq!(handle.traffic("auth"), None);
    handle.replace(&std::iter::once(Route::compile(before.clone())).collect());
    assert_eq!((version(&handle, 1).in_flight, version(&handle, 1).total.requests()), (1, 1));

    // The version is removed, and another registered under its name.
    let at = std::time::SystemTime::UNIX_EPOCH;
    let v1 = || "v1".parse().unwrap();
    let split = before
        .apply(&Change::switch("v0".parse().unwrap()), at)
        .and_then(|split| split.apply(&Change::deactivate(v1()), at))
        .and_then(|split| split.apply(&Change::remove(v1()), at))
        .unwrap();
    assert!(handle.publish(Route::compile(split.clone())));
    assert_eq!(handle.in_flight("auth", "v1"), Some(1));
    assert_eq!(handle.is_drained("auth", "v1"), Some(false));
    let removed = &handle.traffic("auth").unwrap().versions[1];
    assert_eq!((removed.version.as_str(), removed.in_flight, removed.active), ("v1", 1, false));
    let again = split.apply(&Change::register(v1(), "http://i".parse().unwrap()), at).unwrap();
    assert!(handle.publish(Route::compile(again)));
    let traffic = version(&handle, 1);
    assert_eq!((traffic.in_flight, traffic.is_drained(), traffic.total.requests()), (1, false, 0));
    assert_eq!(handle.in_flight("auth", "v1"), Some(1));
    drop(held);
    assert!(version(&handle, 1).is_drained());
}

#[tokio::test]
async fn removed_version_is_reported_until_drained() {
    let before = split("auth", &[("http://h", 100.0), ("http://i", 0.0)]);
    let (v0, v1): (VersionName, VersionName) = ("v0".parse().unwrap(), "v1".parse().unwrap());
    let handle = handle(std::slice::from_ref(&before));
    let held = fixed(&handle).layer(service_fn(|_: Request<()>| {
        std::future::ready(Ok::<_, io::Error>(Response::new(Full::<Bytes>::from("hello"))))
    }));
    let held = held.oneshot(get("/")).await.unwrap();
    let at = std::time::SystemTime::UNIX_EPOCH;
    let removed = before
        .apply(&Change::switch(v1), at)
        .and_then(|split| split.apply(&Change::deactivate(v0.clone()), at))
        .and_then(|split| split.apply(&Change::remove(v0), at));
    assert!(handle.publish(Route::compile(removed.unwrap())));
    assert_eq!(
        (handle.is_drained("auth", "v0"), handle.is_drained("auth", "v1")),
        (Some(false), Some(false))
    );
    drop(held);
    assert_eq!((handle.is_drained("auth", "v0"), handle.in_flight("auth", "v0")), (None, None));
    assert_eq!(handle.traffic("auth").unwrap().versions.len(), 1);
}

#[cfg(feature = "pin")]
#[tokio::test]
async fn pinned_version_drains_once_inactive() {
    let handle = auth(&[("http://h", 0.0), ("http://i", 100.0)]);
    assert!(version(&handle, 0).is_drained());
    let pin = tower_canary::layer::PinCookie::new(b"a secret of at least 32 bytes ...").unwrap();
    let _layer = fixed(&handle).with_pin(pin);
    assert!(!version(&handle, 0).is_drained());
    let inactive = Change::deactivate("v0".parse().unwrap());
    let split =
        handle.route("auth").unwrap().split().apply(&inactive, std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert!(handle.publish(Route::compile(split)));
    assert!(version(&handle, 0).is_drained());
}

#[test]
fn drained_version_gets_no_request() {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    let splits = [[("http://h", 100.0), ("http://i", 0.0)], [("http://h", 0.0), ("http://i", 100.0)]];
    let first = split("auth", &splits[0]);
    let handle = handle(std::slice::from_ref(&first));
    let (stop, sent) = (AtomicBool::new(false), [AtomicUsize::new(0), AtomicUsize::new(0)]);
    std::thread::scope(|scope| {
        // The client counts the requests of each version.
        for _ in 0..2 {
            scope.spawn(|| {
                let client = service_fn(|request: Request<()>| {
                    let version = usize::from(request.uri().host() == Some("i"));
                    sent[version].fetch_add(1, Ordering::SeqCst);
                    sent[version].fetch_sub(1, Ordering::SeqCst);
                    std::future::ready(Ok::<_, io::Error>(Response::new(Empty::<Bytes>::new())))
                });
                let layered = fixed(&handle).layer(client);
                while !stop.load(Ordering::Relaxed) {
                    let answer = futures_util::FutureExt::now_or_never(layered.clone().oneshot(get("/")));
                    drop(answer.unwrap().unwrap());
                }
            });
        }
        let mut split = first;
        for turn in 0..1_000 {
            let next = format!("v{}", (turn + 1) % 2);
            let switch = Change::switch(next.parse().unwrap());
            split = split.apply(&switch, std::time::SystemTime::UNIX_EPOCH).unwrap();
            assert!(handle.publish(Route::compile(split.clone())));
            let old = turn % 2;
            while !handle.traffic("auth").unwrap().versions[old].is_drained() {
                std::hint::spin_loop();
            }
            assert_eq!(sent[old].load(Ordering::SeqCst), 0, "after {turn} switches");
        }
        stop.store(true, Ordering::Relaxed);
    });
}
