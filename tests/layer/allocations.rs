//! Allocations of the layer per request: none, except with some options.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use http::Request;
use tower::{Layer, Service};
use tower_canary::layer::HostPolicy;
use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};

use crate::instances::auth_of;
use crate::support::*;

/// Returns the number of allocations of `layer` for `request`, over a client that allocates nothing.
fn allocations(layer: &WeightedVersionLayer, request: impl Fn() -> Request<()>) -> u64 {
    let null = tower::service_fn(|request: Request<()>| {
        drop(request);
        std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(String::new())))
    });
    let mut layered = layer.layer(null);
    let mut call = |request: Request<()>| {
        let mut future = pin!(layered.call(request));
        assert!(matches!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_))));
    };
    // The first request of a thread to each instance gets its shard and makes the copied parts shareable.
    (0..1_000).for_each(|_| call(request()));
    let requests: Vec<_> = (0..100).map(|_| request()).collect();
    let counted = measure(|| requests.into_iter().for_each(&mut call)).count_total;
    assert_eq!(counted % 100, 0, "the same for each request");
    counted / 100
}

fn with_host(uri: &str) -> impl Fn() -> Request<()> {
    move || Request::get(uri).header("host", "public").header("accept", "*/*").body(()).unwrap()
}

#[test]
fn request_does_not_allocate() {
    let handle = auth(&[("http://h:81", 90.0), ("http://i:81", 10.0)]);
    assert_eq!(allocations(&fixed(&handle), with_host("/login?a=1")), 0);
    assert_eq!(allocations(&fixed(&handle).with_host(HostPolicy::Preserve), with_host("/login")), 0);
    let by_header =
        WeightedVersionLayer::new(&handle, Target::header(http::HeaderName::from_static("x-service")));
    assert_eq!(
        allocations(&by_header, || Request::get("/").header("x-service", "auth").body(()).unwrap()),
        0
    );
    assert_eq!(
        allocations(
            &WeightedVersionLayer::new(&handle, Target::path_segment_unstripped()),
            with_host("/auth/login")
        ),
        0
    );
}

// Balanced by the load and the failures of two of them, beside a version with one instance.
#[test]
fn choice_of_an_instance_does_not_allocate() {
    let handle = auth_of(&[&["h", "i", "j"], &["k"]]);
    assert_eq!(allocations(&fixed(&handle), with_host("/login")), 0);
    let many: Vec<String> = (0..64).map(|i| format!("h{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(allocations(&fixed(&auth_of(&[&many])), with_host("/login")), 0);
}

// A base path or a stripped segment.
#[test]
fn path_change_allocates_once() {
    fn by_path(handle: &RoutingHandle) -> WeightedVersionLayer {
        WeightedVersionLayer::new(handle, Target::path_segment())
    }

    let plain = auth(&[("http://h:81", 100.0)]);
    let based = auth(&[("http://h:81/api", 100.0)]);
    assert_eq!(allocations(&fixed(&based), with_host("/login")), 1);
    assert_eq!(allocations(&fixed(&based), with_host("/a.b?x=%2e")), 1);
    assert_eq!(allocations(&fixed(&based), with_host("/a%20b")), 2);
    assert_eq!(allocations(&by_path(&plain), with_host("/auth/login")), 1);
    assert_eq!(allocations(&by_path(&based), with_host("/auth/login")), 1);
    assert_eq!(allocations(&by_path(&plain), with_host("/auth")), 0);
}

#[test]
fn rejection_allocates_at_most_twice() {
    let by_path = WeightedVersionLayer::new(&auth(&[("http://h", 100.0)]), Target::path_segment());
    assert!(allocations(&by_path, with_host("/nobody")) <= 2);
}
