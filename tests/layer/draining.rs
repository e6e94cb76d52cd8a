//! Versions that get no more requests, and are drained when the last one has ended.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::VersionName;
use tower_canary::routing::{Change, Route};

use crate::support::*;

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
    assert_eq!((traffic_of(&handle, 1).in_flight, traffic_of(&handle, 1).total.requests()), (1, 1));

    // The version is removed, and another registered under its name.
    let at = SystemTime::UNIX_EPOCH;
    let v1: VersionName = "v1".parse().unwrap();
    let split = before
        .apply(&Change::switch("v0".parse().unwrap()), at)
        .and_then(|split| split.apply(&Change::deactivate(v1.clone()), at))
        .and_then(|split| split.apply(&Change::remove(v1.clone()), at))
        .unwrap();
    assert!(handle.publish(Route::compile(split.clone())));
    assert_eq!(handle.in_flight("auth", "v1"), 1);
    assert!(!handle.is_drained("auth", "v1"));
    let removed = &handle.traffic("auth").unwrap().versions[1];
    assert_eq!((removed.version.as_str(), removed.in_flight, removed.active), ("v1", 1, false));
    let again = split.apply(&Change::register(v1, "http://i".parse().unwrap()), at).unwrap();
    assert!(handle.publish(Route::compile(again)));
    let traffic = traffic_of(&handle, 1);
    assert_eq!((traffic.in_flight, traffic.is_drained(), traffic.total.requests()), (1, false, 0));
    assert_eq!(handle.in_flight("auth", "v1"), 1);
    drop(held);
    assert!(traffic_of(&handle, 1).is_drained());
}

#[tokio::test]
async fn removed_version_is_reported_until_drained() {
    let before = split("auth", &[("http://h", 100.0), ("http://i", 0.0)]);
    let v0: VersionName = "v0".parse().unwrap();
    let v1: VersionName = "v1".parse().unwrap();
    let handle = handle(std::slice::from_ref(&before));
    let held = fixed(&handle).layer(service_fn(|_: Request<()>| {
        std::future::ready(Ok::<_, io::Error>(Response::new(Full::<Bytes>::from("hello"))))
    }));
    let held = held.oneshot(get("/")).await.unwrap();
    let at = SystemTime::UNIX_EPOCH;
    let removed = before
        .apply(&Change::switch(v1), at)
        .and_then(|split| split.apply(&Change::deactivate(v0.clone()), at))
        .and_then(|split| split.apply(&Change::remove(v0), at));
    assert!(handle.publish(Route::compile(removed.unwrap())));
    assert_eq!((handle.is_drained("auth", "v0"), handle.is_drained("auth", "v1")), (false, false));
    drop(held);
    assert_eq!((handle.is_drained("auth", "v0"), handle.in_flight("auth", "v0")), (true, 0));
    assert_eq!(handle.traffic("auth").unwrap().versions.len(), 1);
}

#[cfg(feature = "pin")]
#[tokio::test]
async fn pinned_version_drains_once_inactive() {
    let handle = auth(&[("http://h", 0.0), ("http://i", 100.0)]);
    assert!(traffic_of(&handle, 0).is_drained());
    let pin = tower_canary::layer::PinCookie::new(b"a secret of at least 32 bytes ...").unwrap();
    let _layer = fixed(&handle).with_pin(pin);
    assert!(!traffic_of(&handle, 0).is_drained());
    let inactive = Change::deactivate("v0".parse().unwrap());
    let split = handle.route("auth").unwrap().split().apply(&inactive, SystemTime::UNIX_EPOCH).unwrap();
    assert!(handle.publish(Route::compile(split)));
    assert!(traffic_of(&handle, 0).is_drained());
}

#[test]
fn drained_version_gets_no_request() {
    let splits = [[("http://h", 100.0), ("http://i", 0.0)], [("http://h", 0.0), ("http://i", 100.0)]];
    let first = split("auth", &splits[0]);
    let handle = handle(std::slice::from_ref(&first));
    let stop = AtomicBool::new(false);
    let sent = [AtomicUsize::new(0), AtomicUsize::new(0)];
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
            split = split.apply(&switch, SystemTime::UNIX_EPOCH).unwrap();
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
