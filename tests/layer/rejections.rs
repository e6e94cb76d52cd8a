//! The responses of the layer itself.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, response};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tower::{Layer, Service, ServiceExt};
use tower_canary::deployments::Unhealthy;
use tower_canary::health::Health;
use tower_canary::layer::{HostPolicy, ResponseBody};
use tower_canary::routing::{Change, Registration, Route};
use tower_canary::store::{ChangeRequest, MemoryStore};
use tower_canary::{Deployments, RoutingHandle, Target, WeightedVersionLayer};

use crate::scripted_check::ScriptedCheck;
use crate::support::*;

/// A handle whose service `auth` has no active version.
fn none_active() -> RoutingHandle {
    let one = split("auth", &[("http://h", 100.0)]);
    let off = Change::force_deactivate("v0".parse().unwrap());
    let handle = RoutingHandle::new();
    assert!(handle.publish(Route::compile(one.apply(&off, std::time::SystemTime::UNIX_EPOCH).unwrap())));
    handle
}

/// A handle whose service `auth` has one version, whose only instance fails its checks.
async fn none_usable(health: Health) -> RoutingHandle {
    let check = ScriptedCheck::default();
    check.set_all(Some(Unhealthy::Status(503)));
    let deployments =
        Deployments::builder(MemoryStore::new(), check).with_health(health).start().await.unwrap();
    let version = Registration::new("v0".parse().unwrap(), "http://h".parse().unwrap())
        .with_health_path("/healthz".parse().unwrap());
    let register = ChangeRequest::new(Change::Register(version), "alice");
    deployments.apply(&"auth".parse().unwrap(), register).await.unwrap();
    tokio::select! {
        () = deployments.clone().run(std::future::pending()) => {}
        () = tokio::time::sleep(Duration::from_secs(1)) => {}
    }
    assert!(deployments.handle().instances("auth").unwrap()[0].none_usable);
    deployments.handle().clone()
}

async fn answer(layer: WeightedVersionLayer, request: Request<()>) -> Response<ResponseBody<Empty<Bytes>>> {
    let never = tower::service_fn(|_: Request<()>| async {
        Err::<Response<Empty<Bytes>>, _>(std::io::Error::other("the client must not be called"))
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

// A fallback does not take its place.
#[tokio::test(start_paused = true)]
async fn no_usable_instance_is_a_503_problem() {
    let handle = none_usable(Health::new().refusing()).await;
    let layer = fixed(&handle).with_fallback(&"http://monolith".parse().unwrap());
    assert_eq!(problem(layer.clone(), get("/")).await, (503, "no-instance".into()));
    assert_eq!(answer(layer.clone(), get("/")).await.headers()["retry-after"], "5");
    let grpc = Request::post("/x").header("content-type", "application/grpc").body(()).unwrap();
    let headers = answer(layer, grpc).await.headers().clone();
    assert_eq!(
        (headers["grpc-status"].as_bytes(), headers["grpc-message"].as_bytes()),
        (&b"14"[..], &b"no-instance"[..])
    );
    assert!(!headers.contains_key("retry-after"));
    assert_eq!(handle.traffic("auth").unwrap().unserved, 3);
}

#[tokio::test(start_paused = true)]
async fn by_default_an_unusable_instance_is_tried() {
    for health in [Health::new(), Health::new().failover()] {
        let handle = none_usable(health).await;
        assert_eq!(sent(&fixed(&handle), get("/")).await.unwrap().uri(), "http://h/");
    }
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
    fn layer() -> WeightedVersionLayer {
        fixed(&auth(&[("http://h", 100.0)])).with_host(HostPolicy::Preserve)
    }

    fn request(kind: &str) -> Request<()> {
        Request::post("/x")
            .header("content-type", kind)
            .header("host", "a")
            .header("host", "b")
            .body(())
            .unwrap()
    }

    assert_eq!(problem(layer(), request("application/grpc-web")).await, (400, "ambiguous-host".into()));
    assert_eq!(answer(layer(), request("application/grpc")).await.headers()["grpc-status"], "3");
}

/// Returns the response to `request` with this method, as its head and its content.
async fn by_method(layer: &WeightedVersionLayer, method: Method, path: &str) -> (response::Parts, Bytes) {
    let request = Request::builder().method(method).uri(path).header("host", "a").header("host", "b");
    let (head, body) = answer(layer.clone(), request.body(()).unwrap()).await.into_parts();
    assert_eq!(body.is_end_stream(), body.size_hint().exact() == Some(0));
    (head, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn head_gets_fields_without_content() {
    let based = auth(&[(&format!("http://h/{}", "b".repeat(2_000)), 100.0)]);
    let too_long = format!("/{}", "a".repeat(64_000));
    for (layer, path) in [
        (fixed(&RoutingHandle::new()), "/"),
        (fixed(&none_active()), "/"),
        (fixed(&based), &*too_long),
        (fixed(&based), "/a/../b"),
        (fixed(&based).with_host(HostPolicy::Preserve), "/"),
    ] {
        let (get, document) = by_method(&layer, Method::GET, path).await;
        let (mut head, content) = by_method(&layer, Method::HEAD, path).await;
        assert_eq!((head.status, content.len()), (get.status, 0));
        // A server adds the length to the response to `GET`, from its content.
        let length = head.headers.remove("content-length").unwrap();
        assert_eq!(length, document.len().to_string());
        assert_eq!(head.headers, get.headers);
    }
}

// A client gives up a stream with content after `HEAD`, or the whole connection.
#[tokio::test]
async fn head_over_http2_leaves_connection_usable() {
    let layered = fixed(&RoutingHandle::new()).layer(Echo);
    let address = serve(move |request: Request<Incoming>| layered.clone().oneshot(request)).await;
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    spawn(connection);
    for method in ["HEAD", "GET", "HEAD", "GET"] {
        let request = Request::builder().method(method).uri("http://gateway/x").body(Empty::<Bytes>::new());
        let response = client.send_request(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 404);
        let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
        let content = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(content.len(), if method == "HEAD" { 0 } else { length }, "{method}");
    }
}
