//! Cookies: the key, the pin and the override, through the layer.
#![no_main]

use std::convert::Infallible;
use std::future::ready;
use std::sync::LazyLock;
use std::time::SystemTime;

use http::header::{COOKIE, HeaderValue};
use http::{Request, Response};
use http_body_util::Empty;
use libfuzzer_sys::fuzz_target;
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::layer::{Affinity, Override, PinCookie};
use tower_canary::routing::{Change, Route, Split};
use tower_canary::{Draw, RoutingHandle, Target, WeightedVersionLayer};
use tower_canary_fuzz::{RUNTIME, split_once};

type NoBody = Empty<&'static [u8]>;

static LAYER: LazyLock<WeightedVersionLayer> = LazyLock::new(|| {
    let mut split = Split::new("auth".parse().unwrap(), 7);
    let changes = [
        Change::register("v1".parse().unwrap(), "http://v1".parse().unwrap()),
        Change::register("v2".parse().unwrap(), "http://v2".parse().unwrap()),
        Change::set_weight("v2".parse().unwrap(), "50".parse().unwrap()),
    ];
    for change in changes {
        split = split.apply(&change, SystemTime::UNIX_EPOCH).unwrap();
    }
    let handle = RoutingHandle::with_draw(Draw::Seeded(1));
    assert!(handle.publish(Route::compile(split)));
    WeightedVersionLayer::new(&handle, Target::service("auth".parse().unwrap()))
        .with_pin(PinCookie::new(&[7; 32]).unwrap())
        .with_affinity(Affinity::cookie("session"))
        .with_override(Override::cookie("version", |_| true))
});

type Cookies = Vec<HeaderValue>;

/// Returns the host that `request` is sent to and the cookies that it is sent with.
fn sent(request: Request<()>) -> (String, Cookies) {
    let mut sent = None;
    let client = service_fn(|request: Request<()>| {
        let host = request.uri().host().expect("an absolute URI").to_owned();
        sent = Some((host, request.headers().get_all(COOKIE).iter().cloned().collect()));
        ready(Ok::<_, Infallible>(Response::new(NoBody::new())))
    });
    RUNTIME.block_on(LAYER.layer(client).oneshot(request)).unwrap();
    sent.expect("the request is sent")
}

/// Returns the value of the first cookie called `name`.
fn first<'a>(cookies: &'a [HeaderValue], name: &str) -> Option<&'a [u8]> {
    let mut pairs = cookies.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.find_map(|pair| {
        let (before, value) = split_once(pair, b'=')?;
        (before.trim_ascii() == name.as_bytes()).then(|| value.trim_ascii_end())
    })
}

fuzz_target!(|data: &[u8]| {
    let lines = data.split(|byte| *byte == b'\n');
    let given: Cookies = lines.filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let mut request = Request::get("/login").body(()).unwrap();
    for line in &given {
        request.headers_mut().append(COOKIE, line.clone());
    }

    let (host, cookies) = sent(request.clone());
    assert!(host == "v1" || host == "v2", "sent to {host}");
    assert_eq!(first(&cookies, "version"), None, "the override reached the backend");
    assert_eq!(first(&cookies, "canary_auth"), None, "the pin reached the backend");
    if first(&given, "version").is_none() && first(&given, "canary_auth").is_none() {
        assert_eq!(cookies, given, "the cookies were changed");
    }
    let has_key = first(&given, "session").is_some_and(|key| !key.is_empty());
    if has_key {
        assert_eq!(sent(request).0, host, "the same key got another version");
    }
});
