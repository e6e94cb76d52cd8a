//! Traffic of versions: counts by outcome, latencies, and recent activity.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::RoutingHandle;
use tower_canary::routing::{Change, Reason, Route};
use tower_canary::traffic::{Outcome, VersionTraffic};

use crate::log::Log;
use crate::support::*;

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
    let latencies = traffic_of(&handle, 0).total.latencies;
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
    let total = traffic_of(&handle, 0).total;
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
    let windows = traffic_of(&handle, 1).windows;
    let [ten, minute, five] = &windows[..] else { panic!("{windows:?}") };
    assert!((0.9..=1.1).contains(&ten.per_second()) && (0.9..=1.1).contains(&minute.per_second()));
    assert!(
        (ten.length.as_secs_f64() - 10.0).abs() <= 2.1 && (minute.length.as_secs_f64() - 60.0).abs() <= 2.1
    );
    // Sampling began two minutes ago.
    assert!((119.0..=121.0).contains(&five.length.as_secs_f64()));
    assert_eq!(five.activity.requests(), traffic_of(&handle, 1).total.requests());
    let share = five.share.unwrap();
    assert_eq!((share.observed, share.of), (10.0, 1200));

    for _ in 0..45 {
        advance(Duration::from_secs(2)).await;
        handle.sample_traffic();
    }
    let windows = traffic_of(&handle, 1).windows;
    let [ten, minute, five] = &windows[..] else { panic!("{windows:?}") };
    assert_eq!((ten.activity.requests(), ten.share, minute.activity.requests()), (0, None, 0));
    assert_eq!(five.activity.requests(), 120);
    for _ in 0..200 {
        advance(Duration::from_secs(2)).await;
        handle.sample_traffic();
    }
    assert_eq!(traffic_of(&handle, 1).windows[2].activity.requests(), 0);
    assert_eq!(traffic_of(&handle, 1).total.requests(), 120);
}

#[tokio::test(start_paused = true)]
async fn idle_time_is_exact_to_a_sample() {
    let handle = auth(&[("http://h", 100.0)]);
    assert_eq!(traffic_of(&handle, 0).idle_for, None);
    let layered = fixed(&handle).layer(service_fn(|_: Request<()>| async {
        sleep(Duration::from_secs(100)).await;
        Ok::<_, io::Error>(Response::new(Full::<Bytes>::from("hello")))
    }));
    let request = spawn(layered.oneshot(get("/")));
    for _ in 0..49 {
        sleep(Duration::from_secs(2)).await;
        handle.sample_traffic();
        assert_eq!(traffic_of(&handle, 0).idle_for, None);
    }
    drop(request.await.unwrap().unwrap());
    let ended = Instant::now();
    for _ in 0..100 {
        sleep(Duration::from_secs(2)).await;
        handle.sample_traffic();
    }
    let idle = traffic_of(&handle, 0).idle_for.unwrap();
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
    async fn send(layer: tower_canary::WeightedVersionLayer) {
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
    }

    let handle = auth(&[("http://h", 100.0)]);
    let log = Log::of_this_thread();
    send(fixed(&handle)).await;
    let silent = log.text();
    assert!(silent.contains("request: ") && silent.lines().count() == 1, "{silent}");
    send(fixed(&handle).with_span_fields()).await;
    let logged = log.text();
    assert!(logged.contains(r#"request{canary.service="auth" canary.version="v0"}"#), "{logged}");
}
