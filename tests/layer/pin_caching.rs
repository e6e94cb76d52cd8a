//! Caches between the client and the layer: a response that sets a pin is for one user.

use std::convert::Infallible;

use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use http::{HeaderValue, Request};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::layer::{PinCaching, PinCookie};

use crate::pins::{Browser, HALVES, SECRET, pinning};
use crate::support::*;

/// A client that responds with this head.
fn responding(
    lines: &'static [(&str, &str)],
) -> impl tower::Service<Request<()>, Response = http::Response<String>, Error = Infallible, Future: Send> + Clone
{
    service_fn(move |_: Request<()>| {
        let mut response = http::Response::new(String::new());
        for (name, value) in lines {
            response.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        std::future::ready(Ok(response))
    })
}

/// Returns the `Cache-Control` of the response to a first visit, and whether it sets a pin.
async fn first_visit(
    pin: PinCookie,
    request: Request<()>,
    lines: &'static [(&str, &str)],
) -> (Option<String>, bool) {
    let layer = fixed(&auth(&HALVES)).with_pin(pin);
    let response = layer.layer(responding(lines)).oneshot(request).await.unwrap();
    assert_eq!(response.headers().get_all(CACHE_CONTROL).iter().count().max(1), 1);
    let control = response.headers().get(CACHE_CONTROL).map(|value| value.to_str().unwrap().to_owned());
    (control, response.headers().contains_key(SET_COOKIE))
}

#[tokio::test]
async fn pinned_response_is_not_for_shared_caches() {
    for (lines, made, omitted) in [
        (&[][..], "private", ""),
        (&[("cache-control", "public, max-age=60")], "private, max-age=60", "public, max-age=60"),
        (&[("expires", "Thu, 01 Jan 2099 00:00:00 GMT")], "private", ""),
        (&[("vary", "cookie"), ("cache-control", "s-maxage=60")], "private", "s-maxage=60"),
    ] {
        let pin = PinCookie::new(SECRET).unwrap();
        assert_eq!(first_visit(pin.clone(), get("/"), lines).await, (Some(made.to_owned()), true));
        let control = (!omitted.is_empty()).then(|| omitted.to_owned());
        assert_eq!(
            first_visit(pin.with_caching(PinCaching::OmitPin), get("/"), lines).await,
            (control, false)
        );
    }
}

#[tokio::test]
async fn uncacheable_response_stays_as_it_is() {
    for (request, lines, control) in [
        (get("/"), &[("cache-control", "no-store")][..], Some("no-store")),
        (get("/"), &[("cache-control", "max-age=60, private")], Some("max-age=60, private")),
        (Request::post("/").body(()).unwrap(), &[], None),
        (
            Request::get("/").header("authorization", "Bearer x").body(()).unwrap(),
            &[("cache-control", "max-age=60")],
            Some("max-age=60"),
        ),
    ] {
        let method = request.method().clone();
        let headers = request.headers().clone();
        for caching in [PinCaching::MakePrivate, PinCaching::OmitPin] {
            let pin = PinCookie::new(SECRET).unwrap().with_caching(caching);
            let mut request = Request::builder().method(&method).body(()).unwrap();
            *request.headers_mut() = headers.clone();
            let expected = (control.map(str::to_owned), true);
            assert_eq!(first_visit(pin, request, lines).await, expected, "{method} {lines:?}");
        }
    }
}

#[tokio::test]
async fn response_to_a_pinned_user_is_unchanged() {
    let layer = pinning(&auth(&HALVES));
    let mut user = Browser::default();
    user.visit(&layer).await;
    let pin = format!("canary_auth={}", user.cookies["canary_auth"]);
    let request = Request::get("/").header(COOKIE, pin).body(()).unwrap();
    let client = responding(&[("cache-control", "public, max-age=60")]);
    let response = layer.layer(client).oneshot(request).await.unwrap();
    assert_eq!(response.headers().len(), 1);
    assert_eq!(response.headers()[CACHE_CONTROL], "public, max-age=60");
}
