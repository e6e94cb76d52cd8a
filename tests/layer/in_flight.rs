//! Requests in flight: from the choice until the body has ended.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tower::{Layer, Service, ServiceExt};
use tower_canary::RoutingHandle;
use tower_canary::routing::{Change, Route};

use crate::support::*;

fn count(handle: &RoutingHandle) -> usize {
    handle.in_flight("auth", "v0").unwrap()
}

fn answering(
    body: Full<Bytes>,
) -> impl Service<Request<()>, Response = Response<Full<Bytes>>, Error = std::io::Error, Future: Send> + Clone
{
    tower::service_fn(move |_: Request<()>| std::future::ready(Ok(Response::new(body.clone()))))
}

#[tokio::test]
async fn a_request_is_in_flight_until_its_body_has_ended() {
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

#[tokio::test]
async fn a_body_that_is_dropped_or_a_future_that_is_cancelled_is_no_longer_in_flight() {
    let handle = auth(&[("http://h", 100.0)]);
    let mut layered = fixed(&handle).layer(answering(Full::from("hello")));
    for _ in 0..10_000 {
        drop(layered.ready().await.unwrap().call(get("/")));
        drop(layered.ready().await.unwrap().call(get("/")).await.unwrap());
    }
    assert_eq!(count(&handle), 0);
}

#[tokio::test]
async fn a_body_that_fails_is_no_longer_in_flight() {
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
async fn a_clients_error_ends_the_request() {
    let handle = auth(&[("http://h", 100.0)]);
    let failing = tower::service_fn(|_: Request<()>| async {
        Err::<Response<Empty<Bytes>>, _>(std::io::Error::other("no"))
    });
    assert!(fixed(&handle).layer(failing).oneshot(get("/")).await.is_err());
    assert_eq!(count(&handle), 0);
}

#[tokio::test]
async fn counts_go_on_over_changed_splits_and_over_threads() {
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
    assert_eq!((count(&handle), handle.in_flight("auth", "v1")), (100, Some(0)));
    std::thread::spawn(move || drop(open)).join().unwrap();
    assert_eq!(count(&handle), 0);
}

#[tokio::test]
async fn a_rejection_is_never_in_flight() {
    let handle = auth(&[("http://h", 100.0)]);
    let layer = tower_canary::WeightedVersionLayer::new(&handle, tower_canary::Target::path_segment());
    let held = sent(&layer, get("/nobody")).await.unwrap_err();
    assert_eq!(count(&handle), 0);
    drop(held);
}

#[tokio::test]
async fn a_tunnel_is_in_flight_until_whoever_bridges_it_lets_go_through_a_replaced_route_too() {
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
