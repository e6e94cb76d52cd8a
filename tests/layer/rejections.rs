//! The responses of the layer itself.

use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};
use tower_canary::layer::{HostPolicy, ResponseBody};
use tower_canary::routing::{Change, Route};
use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};

use crate::support::*;

/// A handle whose service `auth` has no active version.
fn none_active() -> RoutingHandle {
    let one = split("auth", &[("http://h", 100.0)]);
    let off = Change::force_deactivate("v0".parse().unwrap());
    let handle = RoutingHandle::new();
    assert!(handle.publish(Route::compile(one.apply(&off, std::time::SystemTime::UNIX_EPOCH).unwrap())));
    handle
}

async fn answer(
    layer: WeightedVersionLayer,
    request: Request<()>,
) -> Response<ResponseBody<http_body_util::Empty<bytes::Bytes>>> {
    let never = tower::service_fn(|_: Request<()>| async {
        Err::<Response<http_body_util::Empty<bytes::Bytes>>, _>(std::io::Error::other(
            "the client must not be called",
        ))
    });
    layer.layer(never).oneshot(request).await.unwrap()
}

async fn problem(layer: WeightedVersionLayer, request: Request<()>) -> (u16, serde_json::Value) {
    let response = answer(layer, request).await;
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(problem["status"], status);
    assert!(problem["title"].is_string() && problem["detail"].is_string());
    (status, problem["type"].clone())
}

// The client is not called.
#[tokio::test]
async fn unknown_service_is_a_404_problem() {
    assert_eq!(problem(fixed(&RoutingHandle::new()), get("/")).await, (404, "unknown-service".into()));
    let by_path = WeightedVersionLayer::new(&auth(&[("http://h", 100.0)]), Target::path_segment());
    assert_eq!(problem(by_path, get("/nobody/x")).await, (404, "unknown-service".into()));
}

// The client is not called.
#[tokio::test]
async fn no_active_version_is_a_503_problem() {
    assert_eq!(problem(fixed(&none_active()), get("/")).await, (503, "no-active-version".into()));
}

#[tokio::test]
async fn overlong_rewritten_uri_is_414() {
    let layer = fixed(&auth(&[(&format!("http://h/{}", "b".repeat(2_000)), 100.0)]));
    let request = get(&format!("/{}", "a".repeat(64_000)));
    assert_eq!(problem(layer, request).await, (414, "uri-too-long".into()));
}

#[tokio::test]
async fn two_preserved_hosts_are_400() {
    let layer = fixed(&auth(&[("http://h", 100.0)])).with_host(HostPolicy::Preserve);
    let twice = Request::get("/").header("host", "a").header("host", "b").body(()).unwrap();
    assert_eq!(problem(layer, twice).await, (400, "ambiguous-host".into()));
}

#[tokio::test]
async fn grpc_rejection_is_unavailable() {
    let request = Request::post("/x").header("content-type", "application/grpc+proto").body(()).unwrap();
    let response = answer(fixed(&RoutingHandle::new()), request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "14");
    assert_eq!(response.headers()["grpc-message"], "unknown-service");
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
}

// It gets requests for an unknown service and for a service without an active version.
#[tokio::test]
async fn fallback_replaces_rejections() {
    let fallback = "http://monolith:81/app".parse().unwrap();
    for handle in [RoutingHandle::new(), none_active()] {
        let layer = WeightedVersionLayer::new(&handle, Target::path_segment()).with_fallback(&fallback);
        let request = Request::get("/auth/login?a=1").header("host", "public").body(()).unwrap();
        let sent = sent(&layer, request).await.unwrap();
        assert_eq!(sent.uri(), "http://monolith:81/app/auth/login?a=1");
        assert_eq!(sent.headers()["host"], "monolith:81");
    }
}

#[tokio::test]
async fn client_errors_pass_through() {
    let failing = tower::service_fn(|_: Request<()>| async { Err::<Response<String>, _>("broken pipe") });
    let mut layered = fixed(&auth(&[("http://h", 100.0)])).layer(failing);
    assert_eq!(layered.ready().await.unwrap().call(get("/")).await.unwrap_err(), "broken pipe");
}

// gRPC gets INVALID_ARGUMENT for an error that a retry cannot fix.
#[tokio::test]
async fn grpc_web_gets_a_problem() {
    let request = |kind: &str| {
        Request::post("/x")
            .header("content-type", kind)
            .header("host", "a")
            .header("host", "b")
            .body(())
            .unwrap()
    };
    let layer = || fixed(&auth(&[("http://h", 100.0)])).with_host(HostPolicy::Preserve);
    assert_eq!(problem(layer(), request("application/grpc-web")).await, (400, "ambiguous-host".into()));
    assert_eq!(answer(layer(), request("application/grpc")).await.headers()["grpc-status"], "3");
}
