//! A version that gets copies is not drained.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::sync::watch;
use tower::service_fn;
use tower::util::BoxCloneSyncService;
use tower_canary::routing::{Change, Route};

use crate::mocks::*;

#[tokio::test]
async fn mirrored_version_is_not_drained() {
    let on = mirrored(&["http://stable", "http://canary"], "100");
    let handle = publish(&on);
    let layer = fixed(&handle).with_mirror(mirror());
    let release = watch::Sender::new(false);
    let released = release.subscribe();
    let client: Mock = BoxCloneSyncService::new(service_fn(move |request: Request<Body>| {
        let mut released = released.clone();
        async move {
            if request.uri().host() == Some("canary") {
                released.wait_for(|released| *released).await.unwrap();
            }
            Ok(Response::new(Full::<Bytes>::default()))
        }
    }));
    assert_eq!((handle.is_drained("auth", "v1"), version(&handle, "v1").reachable), (false, true));
    send(&layer, &client, get("/")).await.unwrap();
    let off = apply(&on, &Change::remove_mirror());
    assert!(handle.publish(Route::compile(off.clone())));
    assert_eq!((handle.in_flight("auth", "v1"), handle.is_drained("auth", "v1")), (1, false));
    // It leaves with its copy in flight.
    let removed = apply(
        &apply(&off, &Change::deactivate("v1".parse().unwrap())),
        &Change::remove("v1".parse().unwrap()),
    );
    assert!(handle.publish(Route::compile(removed)));
    assert_eq!(handle.in_flight("auth", "v1"), 1);
    release.send_replace(true);
    for _ in 0..100 {
        if handle.in_flight("auth", "v1") == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the copy is still in flight");
}
