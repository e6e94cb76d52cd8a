//! Stopping a version after its last request.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::sleep;
use tower::{Layer, ServiceExt};
use tower_canary::routing::{Change, Route, Split};
use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};

use crate::backends::{Held, named_backend};
use crate::handovers::{Kind, Plan, end_after_switch, hand_over};
use crate::harness::read_counted;
use crate::versions::Process;

/// The layer runs in this process, to read its count of requests in flight. Client and backends use real
/// sockets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_after_drain_fails_no_request() {
    fn register(name: &str, url: &str) -> Change {
        Change::register(name.parse().unwrap(), url.parse().unwrap())
    }

    let held = Held::start("v1").await;
    let new = named_backend("v2", Duration::ZERO).await;
    let at = SystemTime::now();
    let split = Split::new("auth".parse().unwrap(), 7).apply(&register("v1", &held.backend.url), at).unwrap();
    let split = split.apply(&register("v2", &new.url), at).unwrap();
    let handle = RoutingHandle::new();
    assert!(handle.publish(Route::compile(split.clone())));

    // HTTP/2 to the backends: 1,000 concurrent requests need few sockets.
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let layered = WeightedVersionLayer::new(&handle, Target::path_segment()).layer(client);
    let call = move || {
        let request = Request::get("/auth/hello").body(Full::default()).unwrap();
        let response = layered.clone().oneshot(request);
        tokio::spawn(async move { read_counted(response.await.unwrap()).await })
    };
    let before: Vec<_> = (0..1_000).map(|_| call()).collect();
    while handle.in_flight("auth", "v1") != 1_000 {
        sleep(Duration::from_millis(5)).await;
    }
    let switch = Change::switch("v2".parse().unwrap());
    assert!(handle.publish(Route::compile(split.apply(&switch, at).unwrap())));

    held.release();
    let mut after = Vec::new();
    let mut stopping = Some(held);
    while stopping.is_some() || after.len() < 500 {
        after.extend((0..10).map(|_| call()));
        if handle.in_flight("auth", "v1") == 0 {
            drop(stopping.take());
        }
        sleep(Duration::from_millis(5)).await;
    }
    for task in before {
        assert_eq!(task.await.unwrap(), (StatusCode::OK, "auth v1 /hello\n".into()));
    }
    for task in after {
        assert_eq!(task.await.unwrap(), (StatusCode::OK, "auth v2 /hello\n".into()));
    }
    assert_eq!((handle.in_flight("auth", "v1"), handle.in_flight("auth", "v2")), (0, 0));
}

// Uploads, downloads and WebSockets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripted_stop_cuts_nothing_off() {
    let each = Duration::from_millis(400);
    for last in [Kind::Upload, Kind::Download, Kind::Socket] {
        let handover = hand_over(Plan { clients: 8, each, held: 1, last: Some(last) }).await;
        println!("{last:?} ends last: {handover:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_after_switch_loses_no_request() {
    let ending = end_after_switch(40, |old: &mut Process| {
        old.terminate();
        assert_eq!(old.ended().code(), Some(0));
    })
    .await;
    assert_eq!((ending.succeeded, ending.failed), (40, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_process_fails_only_its_requests() {
    let ending = end_after_switch(40, Process::kill).await;
    assert_eq!((ending.succeeded, ending.failed), (0, 40));
    assert!(ending.after > 0);
}
