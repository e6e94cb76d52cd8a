//! A mirror below a retry of connects.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::retry::RetryLayer;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_canary::layer::failover::{self, Failover, ReplayableBody};
use tower_canary::mirror::{MirrorBody, prepare};
use tower_canary::routing::{Change, Instances, Reason};

use crate::mocks::{apply, copies, fixed, mirror, mirrored, publish, settle};

type Body = ReplayableBody<MirrorBody<Full<Bytes>>>;

// The first instance cannot be connected to, so each request has two attempts. It has one copy, with its body.
#[tokio::test]
async fn retried_request_is_copied_once() {
    let urls =
        Instances::new(vec!["http://dead".parse().unwrap(), "http://stable".parse().unwrap()]).unwrap();
    let split = apply(
        &mirrored(&["http://x", "http://canary"], "100"),
        &Change::set_urls("v0".parse().unwrap(), urls),
    );
    let handle = publish(&split);
    let layer = fixed(&handle).with_instance_failover().with_mirror(mirror().with_methods([Method::POST]));
    let copied = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&copied);
    let client = service_fn(move |request: Request<Body>| {
        let count = Arc::clone(&count);
        async move {
            let host = request.uri().host().unwrap_or_default().to_owned();
            if host == "dead" {
                return Err("refused");
            }
            let body = request.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, "hello");
            count.fetch_add(usize::from(host == "canary"), Ordering::SeqCst);
            Ok(Response::new(Full::<Bytes>::default()))
        }
    });
    let mut gateway = ServiceBuilder::new()
        .map_request(|request| failover::prepare(prepare(request)))
        .layer(RetryLayer::new(Failover::new(|error: &&str| *error == "refused")))
        .layer(layer)
        .service(client);
    for _ in 0..20 {
        let request = Request::post("/").body(Full::from("hello")).unwrap();
        let response = gateway.ready().await.unwrap();
        let response = tower::Service::call(response, request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        settle().await;
    }
    assert!(handle.picks("auth", "v0", Reason::Failover) > Some(0));
    assert_eq!((copies(&handle, "v1").sent(), copied.load(Ordering::SeqCst)), (20, 20));
}
