//! The prefix that was cut from the path: `X-Forwarded-Prefix`, and the URLs of a backend mapped back.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, LOCATION, SET_COOKIE};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::layer::{ClientAddress, HostPolicy, Rewritten};
use tower_canary::proxy::{Proxy, RequestBody};
use tower_canary::routing::{Change, Route, Split};
use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};

use crate::support::values;

fn layer(base: &str) -> WeightedVersionLayer {
    let register = Change::register("v1".parse().unwrap(), base.parse().unwrap());
    let split = Split::new("auth".parse().unwrap(), 7).apply(&register, SystemTime::UNIX_EPOCH).unwrap();
    let handle = RoutingHandle::new();
    assert!(handle.publish(Route::compile(split)));
    WeightedVersionLayer::new(&handle, Target::path_segment())
}

/// Returns the service `auth`, also below `/api`. Its backend responds with `headers`, and with the `X-Forwarded-Prefix`
/// that it got.
fn app(layer: &WeightedVersionLayer, headers: &[(HeaderName, &str)], rewrites: bool) -> Router {
    let headers: Arc<HeaderMap> =
        Arc::new(headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect());
    let client = service_fn(move |request: Request<RequestBody<Body>>| {
        let mut response = Response::new(Full::<Bytes>::default());
        response.headers_mut().clone_from(&headers);
        for prefix in request.headers().get_all("x-forwarded-prefix") {
            response.headers_mut().append("x-got-prefix", prefix.clone());
        }
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let proxy = Proxy::new(layer.layer(client)).with_trusted_proxies(|address| address.is_loopback());
    let proxy = if rewrites { proxy.with_redirect_rewriting() } else { proxy };
    Router::new().nest_service("/api", proxy.clone()).fallback_service(proxy)
}

/// Sends a request from a trusted proxy, unless `prefix` is `None`.
async fn get(app: &Router, path: &str, prefix: Option<&str>) -> Response<Body> {
    let peer = ClientAddress(if prefix.is_some() { [127, 0, 0, 1] } else { [10, 0, 0, 1] }.into());
    let request = Request::get(path).header("host", "shop").extension(peer);
    let request = request.header("x-forwarded-prefix", prefix.unwrap_or("/evil"));
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn backend_gets_the_cut_prefix() {
    let app = app(&layer("http://backend/base"), &[], false);
    for (path, prefix, expected) in [
        ("/auth/login", None, "/auth"),
        ("/auth", None, "/auth"),
        ("/api/auth/login", None, "/api/auth"),
        ("/api/auth", None, "/api/auth"),
        ("/auth/login", Some("/shop"), "/shop/auth"),
        ("/api/auth/login", Some("/shop/"), "/shop/api/auth"),
    ] {
        let response = get(&app, path, prefix).await;
        assert_eq!(values(response.headers(), "x-got-prefix"), [expected], "{path}");
    }
}

#[tokio::test]
async fn redirects_are_mapped_on_request() {
    let headers = [(LOCATION, "http://backend/base/login"), (SET_COOKIE, "a=b; Path=/base")];
    let mapped = app(&layer("http://backend/base"), &headers, true);
    for (path, prefix, public) in [
        ("/auth/x", None, "/auth"),
        ("/api/auth/x", None, "/api/auth"),
        ("/api/auth/x", Some("/shop"), "/shop/api/auth"),
    ] {
        let response = get(&mapped, path, prefix).await;
        assert_eq!(response.headers()[LOCATION], format!("{public}/login"));
        assert_eq!(response.headers()[SET_COOKIE], format!("a=b; Path={public}"));
    }
    let unmapped = get(&app(&layer("http://backend/base"), &headers, false), "/auth/x", None).await;
    assert_eq!(unmapped.headers()[LOCATION], "http://backend/base/login");
    assert_eq!(unmapped.headers()[SET_COOKIE], "a=b; Path=/base");
    assert!(unmapped.extensions().get::<Rewritten>().is_none());
}

#[tokio::test]
async fn preserved_host_is_not_mapped() {
    let layer = layer("http://backend").with_host(HostPolicy::Preserve);
    let app = app(&layer, &[(LOCATION, "/login")], true);
    let response = get(&app, "/auth/x", None).await;
    assert_eq!(response.headers()[LOCATION], "/login");
    assert_eq!(values(response.headers(), "x-got-prefix"), ["/auth"]);
}

// Nothing is cut on the way to it.
#[tokio::test]
async fn fallback_is_mapped() {
    let layer = layer("http://backend").with_fallback(&"http://monolith/app".parse().unwrap());
    let app = app(&layer, &[(LOCATION, "http://monolith/app/login")], true);
    assert_eq!(get(&app, "/other/x", None).await.headers()[LOCATION], "/login");
    assert_eq!(get(&app, "/api/other/x", None).await.headers()[LOCATION], "/api/login");
}

#[cfg(feature = "pin")]
#[tokio::test]
async fn pin_of_the_layer_is_not_mapped() {
    let pin = tower_canary::layer::PinCookie::new(&[7; 32]).unwrap();
    let app = app(&layer("http://backend").with_pin(pin), &[(SET_COOKIE, "a=b; Path=/")], true);
    let cookies = values(get(&app, "/auth/x", None).await.headers(), "set-cookie");
    assert_eq!(cookies[0], "a=b; Path=/auth");
    assert!(cookies[1].starts_with("canary_auth=") && cookies[1].contains("Path=/;"), "{cookies:?}");
}
