//! Copies count for nobody but themselves.

use std::future::{pending, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::service_fn;
use tower::util::BoxCloneSyncService;
use tower_canary::health::InstanceState;
use tower_canary::routing::{Change, Reason};
use tower_canary::traffic::Outcome;

use crate::mocks::*;

const URLS: [&str; 2] = ["http://stable", "http://canary"];

#[tokio::test]
async fn failing_copies_fail_for_nobody() {
    let two = Change::set_urls(
        "v1".parse().unwrap(),
        tower_canary::routing::Instances::new(vec![
            "http://canary".parse().unwrap(),
            "http://b".parse().unwrap(),
        ])
        .unwrap(),
    );
    let handle = publish(&apply(&mirrored(&URLS, "100"), &two));
    let layer = fixed(&handle).with_mirror(mirror());
    let client = Seen::default()
        .client(|host| if host == "stable" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE });
    for _ in 0..20 {
        assert_eq!(send(&layer, &client, get("/")).await, Ok(StatusCode::OK));
        settle().await;
    }
    let canary = version(&handle, "v1");
    assert_eq!((canary.copies.sent(), canary.copies.outcome(Outcome::ServerError)), (20, 20));
    assert_eq!((canary.total.requests(), canary.total.ended()), (0, 0));
    assert_eq!(canary.total.picks(Reason::Mirror), 20);
    assert_eq!(canary.copies.latencies().count(), 20);
    assert_eq!(canary.total.latencies.count(), 0);
    let share = version(&handle, "v0").windows[0].share.unwrap();
    assert_eq!((share.observed, share.of), (100.0, 20));
    let instances = handle.instances("auth").unwrap().remove(1).instances;
    assert!(instances.iter().all(|instance| instance.state == InstanceState::Up));
    assert_eq!(instances.iter().map(|instance| instance.failures + instance.picks).sum::<u64>(), 0);
}

#[tokio::test]
async fn each_copy_has_an_original() {
    let handle = publish(&mirrored(&URLS, "10"));
    let layer = fixed(&handle).with_mirror(mirror());
    let client = Seen::default().client(|host| {
        if host == "stable" { StatusCode::NOT_FOUND } else { StatusCode::INTERNAL_SERVER_ERROR }
    });
    for _ in 0..100 {
        send(&layer, &client, get("/")).await.unwrap();
        settle().await;
    }
    let figures = handle.mirror_figures("auth").unwrap();
    let originals = &figures[0].1.originals;
    let copies = &figures[1].1.copies;
    assert_eq!((originals.requests, originals.bad, originals.latencies.count()), (10, 0, 10));
    assert_eq!((copies.requests, copies.bad, copies.latencies.count()), (10, 10, 10));
    assert_eq!((figures[0].1.copies.requests, figures[1].1.originals.requests), (0, 0));
    assert_eq!(handle.figures("auth").unwrap()[0].1.requests, 100, "originals count for users too");
}

#[tokio::test]
async fn latencies_follow_the_layer() {
    let handle = publish(&mirrored(&URLS, "100"));
    let layer = fixed(&handle).without_latencies().with_mirror(mirror());
    let client = Seen::default().client(|_| StatusCode::OK);
    send(&layer, &client, get("/")).await.unwrap();
    settle().await;
    assert_eq!((copies(&handle, "v1").sent(), copies(&handle, "v1").latencies().count()), (1, 0));
}

#[tokio::test]
async fn unready_client_fails_the_copy_alone() {
    let handle = publish(&mirrored(&URLS, "100"));
    let layer = fixed(&handle).with_mirror(mirror());
    let client: Mock = BoxCloneSyncService::new(service_fn(|request: Request<Body>| {
        ready(match request.uri().host() {
            Some("stable") => Ok(Response::new(Full::<Bytes>::default())),
            _ => Err("refused"),
        })
    }));
    assert_eq!(send(&layer, &client, get("/")).await, Ok(StatusCode::OK));
    settle().await;
    assert_eq!(copies(&handle, "v1").outcome(Outcome::Error), 1);
}

/// A client that responds for `stable` alone.
fn half_dead() -> Mock {
    BoxCloneSyncService::new(service_fn(|request: Request<Body>| async move {
        match request.uri().host() {
            Some("stable") => Ok(Response::new(Full::<Bytes>::default())),
            _ => pending().await,
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn copy_ends_at_its_time_limit() {
    let handle = publish(&mirrored(&URLS, "100"));
    let layer = fixed(&handle).with_mirror(mirror().with_timeout(Duration::from_secs(5)));
    assert_eq!(send(&layer, &half_dead(), get("/")).await, Ok(StatusCode::OK));
    tokio::time::sleep(Duration::from_millis(4_900)).await;
    assert_eq!((handle.in_flight("auth", "v1"), handle.in_flight("auth", "v0")), (1, 0));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(handle.in_flight("auth", "v1"), 0);
    assert_eq!(copies(&handle, "v1").outcome(Outcome::Abandoned), 1);
    let figures = handle.mirror_figures("auth").unwrap();
    assert_eq!((figures[1].1.copies.requests, figures[1].1.copies.bad), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn copies_beyond_the_limit_are_not_sent() {
    let handle = publish(&mirrored(&URLS, "100"));
    let one = mirror().with_max_in_flight(3).with_timeout(Duration::from_secs(5));
    // Clones share the limit.
    let layers = [fixed(&handle).with_mirror(one.clone()), fixed(&handle).with_mirror(one)];
    for i in 0..10 {
        send(&layers[i % 2], &half_dead(), get("/")).await.unwrap();
    }
    let counted = copies(&handle, "v1");
    assert_eq!((counted.sent(), unsent(&counted)), (3, vec![(tower_canary::traffic::Unsent::Busy, 7)]));
    assert_eq!(handle.mirror_figures("auth").unwrap()[0].1.originals.requests, 3);
    tokio::time::sleep(Duration::from_secs(6)).await;
    send(&layers[0], &half_dead(), get("/")).await.unwrap();
    assert_eq!(copies(&handle, "v1").sent(), 4);
}

/// An executor that runs nothing.
#[derive(Debug)]
struct Refusing;

impl hyper::rt::Executor<tower_canary::mirror::RequestCopy> for Refusing {
    fn execute(&self, copy: tower_canary::mirror::RequestCopy) {
        drop(copy);
    }
}

#[tokio::test]
async fn dropped_copy_is_not_in_flight() {
    let handle = publish(&mirrored(&URLS, "100"));
    let layer = fixed(&handle).with_mirror(tower_canary::mirror::Mirror::new(Refusing).with_max_in_flight(1));
    for _ in 0..3 {
        send(&layer, &half_dead(), get("/")).await.unwrap();
    }
    assert_eq!((handle.in_flight("auth", "v1"), copies(&handle, "v1").outcome(Outcome::Abandoned)), (0, 3));
}
