//! Requests in flight: from the choice until the body has ended.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tower::{Layer, Service, ServiceExt};
use tower_canary::RoutingHandle;
use tower_canary::layer::VersionChoice;
use tower_canary::routing::{Change, Route, RoutingTable, Split};

use crate::support::*;

fn count(handle: &RoutingHandle) -> usize {
    handle.in_flight("auth", "v0")
}

fn answering(
    body: Full<Bytes>,
) -> impl Service<Request<()>, Response = Response<Full<Bytes>>, Error = std::io::Error, Future: Send> + Clone
{
    tower::service_fn(move |_: Request<()>| std::future::ready(Ok(Response::new(body.clone()))))
}

#[tokio::test]
async fn in_flight_until_the_body_ends() {
    let handle = auth(&[("http://h", 100.0)]);
    let mut layered = fixed(&handle).layer(answering(Full::from("hello")));
    let response = layered.ready().await.unwrap().call(get("/"));
    assert_eq!(count(&handle), 1);
    let mut body = response.await.unwrap().into_body();
    assert_eq!(count(&handle), 1);
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "hello");
    assert_eq!(count(&handle), 1);
    assert!(body.frame().await.is_none());
    assert_eq!(count(&handle), 0);
}

// The future or the body of the request is dropped.
#[tokio::test]
async fn dropped_request_is_not_in_flight() {
    let handle = auth(&[("http://h", 100.0)]);
    let mut layered = fixed(&handle).layer(answering(Full::from("hello")));
    for _ in 0..10_000 {
        drop(layered.ready().await.unwrap().call(get("/")));
        drop(layered.ready().await.unwrap().call(get("/")).await.unwrap());
    }
    assert_eq!(count(&handle), 0);
}

#[tokio::test]
async fn failed_body_is_not_in_flight() {
    let handle = auth(&[("http://h", 100.0)]);
    let client = tower::service_fn(|_: Request<()>| async {
        let (sender, body) = http_body_util::channel::Channel::<Bytes, std::io::Error>::new(1);
        sender.abort(std::io::Error::other("cut"));
        Ok::<_, std::io::Error>(Response::new(body))
    });
    let mut body = fixed(&handle).layer(client).oneshot(get("/")).await.unwrap().into_body();
    assert_eq!(count(&handle), 1);
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(count(&handle), 0);
}

#[tokio::test]
async fn client_error_ends_the_request() {
    let handle = auth(&[("http://h", 100.0)]);
    let failing = tower::service_fn(|_: Request<()>| async {
        Err::<Response<Empty<Bytes>>, _>(std::io::Error::other("no"))
    });
    assert!(fixed(&handle).layer(failing).oneshot(get("/")).await.is_err());
    assert_eq!(count(&handle), 0);
}

#[tokio::test]
async fn counts_span_splits_and_threads() {
    let before = split("auth", &[("http://h", 100.0), ("http://i", 0.0)]);
    let handle = handle(std::slice::from_ref(&before));
    let layered = fixed(&handle).layer(answering(Full::from("hello")));
    let mut open = Vec::new();
    for _ in 0..100 {
        let layered = layered.clone();
        open.push(spawn(async move { layered.oneshot(get("/")).await.unwrap() }).await.unwrap());
    }
    let switched =
        before.apply(&Change::switch("v1".parse().unwrap()), std::time::SystemTime::now()).unwrap();
    assert!(handle.publish(Route::compile(switched)));
    assert_eq!((count(&handle), handle.in_flight("auth", "v1")), (100, 0));
    std::thread::spawn(move || drop(open)).join().unwrap();
    assert_eq!(count(&handle), 0);
}

#[tokio::test]
async fn rejection_is_never_in_flight() {
    let handle = auth(&[("http://h", 100.0)]);
    let layer = tower_canary::WeightedVersionLayer::new(&handle, tower_canary::Target::path_segment());
    let held = sent(&layer, get("/nobody")).await.unwrap_err();
    assert_eq!(count(&handle), 0);
    drop(held);
}

// Its route may be replaced meanwhile.
#[tokio::test]
async fn tunnel_is_in_flight_until_dropped() {
    let handle = auth(&[("http://h", 100.0)]);
    let switching = tower::service_fn(|_: Request<()>| async {
        Response::builder().status(101).body(Empty::<Bytes>::new()).map_err(std::io::Error::other)
    });
    let mut response = fixed(&handle).layer(switching).oneshot(get("/")).await.unwrap();
    let tunnel = response.extensions_mut().remove::<tower_canary::layer::Tunnel>();
    assert!(tunnel.is_some());
    drop(response);
    assert_eq!(count(&handle), 1);
    let split = handle.route("auth").unwrap().split().clone();
    let moved = Change::set_url("v0".parse().unwrap(), "http://other".parse().unwrap());
    assert!(handle.publish(Route::compile(split.apply(&moved, std::time::SystemTime::UNIX_EPOCH).unwrap())));
    assert_eq!(count(&handle), 1);
    drop(tunnel);
    assert_eq!(count(&handle), 0);

    let response = fixed(&handle).layer(answering(Full::from("no tunnel"))).oneshot(get("/")).await.unwrap();
    assert!(response.extensions().get::<tower_canary::layer::Tunnel>().is_none());
}

/// A response whose request is in flight until it is dropped.
async fn held(handle: &RoutingHandle) -> Response<tower_canary::layer::ResponseBody<Full<Bytes>>> {
    fixed(handle).layer(answering(Full::from("hello"))).oneshot(get("/")).await.unwrap()
}

fn apply(split: &Split, changes: &[Change]) -> Split {
    let at = std::time::SystemTime::UNIX_EPOCH;
    changes.iter().fold(split.clone(), |split, change| split.apply(change, at).unwrap())
}

/// Moves all traffic to `to` and removes `version`.
fn remove(split: &Split, version: &str, to: &str) -> Split {
    let switch = Change::switch(to.parse().unwrap());
    apply(
        split,
        &[switch, Change::deactivate(version.parse().unwrap()), Change::remove(version.parse().unwrap())],
    )
}

fn table(split: &Split) -> RoutingTable {
    std::iter::once(Route::compile(split.clone())).collect()
}

#[tokio::test]
async fn a_withdrawn_service_stays_in_flight() {
    let handle = auth(&[("http://h", 100.0), ("http://i", 0.0)]);
    let response = held(&handle).await;
    handle.replace(&RoutingTable::default());
    assert_eq!((handle.in_flight("auth", "v0"), handle.is_drained("auth", "v0")), (1, false));
    assert_eq!((handle.in_flight("auth", "v1"), handle.is_drained("auth", "v1")), (0, true));
    drop(response);
    assert_eq!((handle.in_flight("auth", "v0"), handle.is_drained("auth", "v0")), (0, true));
}

#[tokio::test]
async fn removal_before_withdrawal_leaves_no_count() {
    let before = split("auth", &[("http://h", 100.0), ("http://i", 0.0)]);
    let handle = handle(std::slice::from_ref(&before));
    let response = held(&handle).await;
    handle.replace(&table(&remove(&before, "v0", "v1")));
    handle.replace(&RoutingTable::default());
    assert_eq!((handle.in_flight("auth", "v0"), handle.is_drained("auth", "v0")), (1, false));
    drop(response);
    assert_eq!((handle.in_flight("auth", "v0"), handle.is_drained("auth", "v0")), (0, true));
}

#[tokio::test]
async fn a_withdrawn_service_returns_with_all_its_counts() {
    let versions: Vec<_> = (0..20).map(|_| ("http://h", 5.0)).collect();
    let before = split("auth", &versions);
    let handle = handle(std::slice::from_ref(&before));
    for _ in 0..200 {
        drop(held(&handle).await);
    }
    for _ in 0..3 {
        handle.replace(&RoutingTable::default());
        handle.replace(&table(&before));
    }
    let requests: u64 =
        handle.traffic("auth").unwrap().versions.iter().map(|version| version.total.requests()).sum();
    assert_eq!(requests, 200);
}

/// The splits that the stress test publishes in turn: each version serves alone, leaves, and is registered again.
fn lifecycle(mut split: Split) -> Vec<Split> {
    let mut splits = Vec::new();
    for _ in 0..10 {
        for (leaves, serves) in [("v0", "v1"), ("v1", "v0")] {
            let register = Change::register(leaves.parse().unwrap(), "http://h".parse().unwrap());
            let serves = apply(&split, &[Change::switch(serves.parse().unwrap())]);
            let removed = apply(
                &serves,
                &[Change::deactivate(leaves.parse().unwrap()), Change::remove(leaves.parse().unwrap())],
            );
            split = apply(&removed, &[register]);
            splits.extend([serves, removed, split.clone()]);
        }
    }
    splits
}

/// Sends requests until `stop`. While it holds a response, its version must have a request in flight.
fn hold_requests(handle: &RoutingHandle, stop: &AtomicBool) -> u64 {
    let layer = fixed(handle).with_choice().layer(answering(Full::from("hello")));
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        let response = layer.clone().oneshot(get("/")).now_or_never().unwrap().unwrap();
        let Some(choice) = response.extensions().get::<VersionChoice>() else { continue };
        for _ in 0..3 {
            let in_flight = handle.in_flight("auth", choice.version.as_str());
            assert!(in_flight >= 1, "{in_flight} while {} has a request", choice.version);
            assert!(!handle.is_drained("auth", choice.version.as_str()));
        }
        sent += 1;
    }
    sent
}

#[test]
fn a_held_request_is_never_missed_while_routes_change() {
    let first = split("auth", &[("http://h", 100.0), ("http://i", 0.0)]);
    let handle = handle(std::slice::from_ref(&first));
    let splits = lifecycle(first);
    let stop = AtomicBool::new(false);
    let sent: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| hold_requests(&handle, &stop))).collect();
        for round in 0..300 {
            for (i, split) in splits.iter().enumerate() {
                // Each split is published and withdrawn in each way.
                match (round + i) % 4 {
                    0 => handle.replace(&RoutingTable::default()),
                    1 => handle.replace(&table(split)),
                    _ => _ = handle.publish(Route::compile(split.clone())),
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(sent > 0);
    for version in ["v0", "v1"] {
        assert_eq!(handle.in_flight("auth", version), 0, "{version}");
    }
}
