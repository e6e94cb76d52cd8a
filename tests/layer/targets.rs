//! The service of a request.

use http::{Request, header::HeaderName};
use tower_canary::{RoutingHandle, ServiceName, Target, WeightedVersionLayer};

use crate::log::Log;
use crate::support::*;

fn two() -> RoutingHandle {
    handle(&[
        split("auth", &[("http://auth.internal/base", 100.0)]),
        split("orders", &[("http://orders.internal", 100.0)]),
        split("auth.example.com", &[("http://by-host.internal", 100.0)]),
    ])
}

/// Returns the URI that a request is sent to, or `-` if it is rejected.
async fn goes(target: Target, request: Request<()>) -> String {
    let sent = sent(&WeightedVersionLayer::new(&two(), target), request).await;
    sent.map_or_else(|_| "-".into(), |request| request.uri().to_string())
}

fn with(header: &str, value: &str) -> Request<()> {
    Request::get("/x").header(header, value).body(()).unwrap()
}

// The segment is stripped.
#[tokio::test]
async fn path_segment_names_service() {
    for (path, to) in [
        ("/orders/1/items?a=/b", "http://orders.internal/1/items?a=/b"),
        ("/orders", "http://orders.internal/"),
        ("/orders/", "http://orders.internal/"),
        ("/orders?a=1", "http://orders.internal/?a=1"),
        ("/orders//x", "http://orders.internal//x"),
        ("/auth/login", "http://auth.internal/base/login"),
        ("/auth", "http://auth.internal/base/"),
        ("/", "-"),
        ("//orders", "-"),
        ("/Orders/1", "-"),
        ("/%6frders/1", "-"),
        ("/../orders", "-"),
        ("/orders%2f1", "-"),
    ] {
        assert_eq!(goes(Target::path_segment(), get(path)).await, to, "{path}");
    }
}

#[tokio::test]
async fn path_segment_can_be_preserved() {
    assert_eq!(
        goes(Target::path_segment_unstripped(), get("/orders/1?a")).await,
        "http://orders.internal/orders/1?a"
    );
    assert_eq!(goes(Target::path_segment_unstripped(), get("/auth")).await, "http://auth.internal/base/auth");
}

// The port is ignored, too, and the dot of a fully qualified name.
#[tokio::test]
async fn host_names_service_ignoring_case() {
    for host in ["auth.example.com", "AUTH.Example.com:8080", "auth.example.com.", "auth.example.com.:80"] {
        assert_eq!(goes(Target::host(), with("host", host)).await, "http://by-host.internal/x");
        assert_eq!(
            goes(Target::subdomain_of("example.com"), with("host", host)).await,
            "http://auth.internal/base/x"
        );
    }
    assert_eq!(goes(Target::host(), get("http://auth.example.com/x")).await, "http://by-host.internal/x");
    for host in ["example.com", "orders.example.org", "evil-example.com", "auth.example.com.evil", "é"] {
        assert_eq!(goes(Target::subdomain_of("example.com"), with("host", host)).await, "-", "{host}");
    }
}

#[tokio::test]
async fn port_of_an_ipv6_address_is_ignored() {
    for host in ["[2001:db8::1]", "[2001:db8::1]:8080"] {
        let log = Log::of_this_thread();
        assert_eq!(goes(Target::host(), with("host", host)).await, "-");
        assert!(log.text().contains(r#"unknown service service="[2001:db8::1]""#), "{}", log.text());
    }
}

#[tokio::test]
async fn repeated_host_names_no_service() {
    let twice = Request::get("/")
        .header("host", "auth.example.com")
        .header("host", "auth.example.com")
        .body(())
        .unwrap();
    assert_eq!(goes(Target::host(), twice).await, "-");
}

#[tokio::test]
async fn header_names_service() {
    fn target() -> Target {
        Target::header(HeaderName::from_static("x-service"))
    }

    assert_eq!(goes(target(), with("x-service", "orders")).await, "http://orders.internal/x");
    assert_eq!(goes(target(), with("x-service", "../orders")).await, "-");
    assert_eq!(goes(target(), get("/x")).await, "-");
}

#[tokio::test]
async fn extension_or_function_names_service() {
    fn by_method() -> Target {
        Target::from_fn(|head| (head.method == "PUT").then(|| "orders".parse().unwrap()))
    }

    let mut request = get("/x");
    request.extensions_mut().insert::<ServiceName>("orders".parse().unwrap());
    assert_eq!(goes(Target::extension(), request).await, "http://orders.internal/x");
    assert_eq!(goes(Target::extension(), get("/x")).await, "-");
    assert_eq!(goes(by_method(), Request::put("/x").body(()).unwrap()).await, "http://orders.internal/x");
    assert_eq!(goes(by_method(), get("/x")).await, "-");
}

#[tokio::test]
async fn layer_finds_later_registered_service() {
    let handle = RoutingHandle::new();
    let layer = fixed(&handle);
    assert_eq!(sent(&layer, get("/")).await.unwrap_err().status(), 404);
    let route = tower_canary::routing::Route::compile(split("auth", &[("http://h", 100.0)]));
    assert!(handle.publish(route));
    assert_eq!(sent(&layer, get("/")).await.unwrap().uri(), "http://h/");
}

#[tokio::test]
async fn an_unknown_service_leaves_a_debug_event() {
    let log = Log::of_this_thread();
    let known = WeightedVersionLayer::new(&two(), Target::path_segment());
    assert!(sent(&known, get("/orders/1")).await.is_ok());
    assert_eq!(log.text(), "");
    for (target, request, expected) in [
        (Target::path_segment(), get("/ordrs/1"), r#"unknown service service="ordrs" found_by=path segment"#),
        (
            Target::subdomain_of("example.com"),
            get("/x"),
            "the request names no service found_by=subdomain of example.com",
        ),
        (
            Target::service("ordrs".parse().unwrap()),
            get("/x"),
            r#"unknown service service="ordrs" found_by="fixed target""#,
        ),
        (Target::from_fn(|_| None), get("/x"), "the request names no service found_by=function"),
    ] {
        let log = Log::of_this_thread();
        goes(target, request).await;
        let logged = log.text();
        assert!(logged.contains(expected) && logged.contains("DEBUG"), "{logged}");
        assert_eq!(logged.lines().count(), 1, "{logged}");
    }
}
