//! Threads that send requests while another publishes routes. Under Miri the same finds data races.

use std::convert::Infallible;
use std::future::ready;
use std::thread;
use std::time::SystemTime;

use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::routing::{Change, Route, Split};
use tower_canary::{Draw, RoutingHandle, Target, WeightedVersionLayer};

type NoBody = Empty<&'static [u8]>;

const PUBLICATIONS: usize = 50;
const REQUESTS_PER_THREAD: u64 = 25;
const VERSIONS: [&str; 2] = ["v1", "v2"];

fn apply(split: &Split, change: &Change) -> Split {
    split.apply(change, SystemTime::UNIX_EPOCH).unwrap()
}

fn send_requests(layer: &WeightedVersionLayer) {
    let client = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(NoBody::new()))));
    for _ in 0..REQUESTS_PER_THREAD {
        let request = Request::get("/").body(()).unwrap();
        layer.layer(client).oneshot(request).now_or_never().unwrap().unwrap();
    }
}

#[test]
fn requests_beside_publications_are_counted_exactly() {
    let mut split = Split::new("auth".parse().unwrap(), 7);
    for version in VERSIONS {
        let backend = format!("http://{version}").parse().unwrap();
        split = apply(&split, &Change::register(version.parse().unwrap(), backend));
    }
    let handle = RoutingHandle::with_draw(Draw::Seeded(1));
    assert!(handle.publish(Route::compile(split.clone())));
    let layer = WeightedVersionLayer::new(&handle, Target::service("auth".parse().unwrap()));

    thread::scope(|scope| {
        scope.spawn(|| send_requests(&layer));
        scope.spawn(|| send_requests(&layer));
        for turn in 0..PUBLICATIONS {
            let version = VERSIONS[(turn + 1) % 2].parse().unwrap();
            split = apply(&split, &Change::switch(version));
            assert!(handle.publish(Route::compile(split.clone())));
        }
    });

    let traffic = handle.traffic("auth").unwrap();
    let requests: u64 = traffic.versions.iter().map(|version| version.total.requests()).sum();
    assert_eq!(requests, 2 * REQUESTS_PER_THREAD);
    for version in VERSIONS {
        assert_eq!(handle.in_flight("auth", version), 0, "{version}");
    }
}
