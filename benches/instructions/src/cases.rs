//! The cases.

use std::hint::black_box;
use std::time::SystemTime;

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderValue, Response};
use http_body::Body;
use hyper_util::rt::TokioExecutor;
use tower_canary::layer::{Affinity, PinCookie, WeightedVersion};
use tower_canary::proxy::Proxy;
use tower_canary::routing::{Backend, Change, Instances, Registration, Route, RoutingTable, Split};
use tower_canary::traffic::Outcome;
use tower_canary::{Draw, RoutingHandle, Target, VersionName, Weight, WeightedVersionLayer};
use tower_layer::Layer;
use tower_service::Service;

use crate::requests::{ClientRequest, Null, USER, few, many, send};

/// A kind of request.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The case whose instructions are subtracted.
    pub(crate) without: &'static str,
    pub(crate) run: fn(u64),
}

const fn case(name: &'static str, without: &'static str, run: fn(u64)) -> Case {
    Case { name, without, run }
}

pub(crate) const CASES: &[Case] = &[
    case("request", "", |count| repeat(count, Null, few)),
    case("request, 12 headers", "", |count| repeat(count, Null, many)),
    case("layer", "request", |count| repeat(count, layer(Draw::Exact).layer(Null), few)),
    case("layer, one service", "request", |count| repeat(count, of_one_service(), few)),
    case("layer, no times", "request", |count| {
        repeat(count, layer(Draw::Exact).without_latencies().layer(Null), few);
    }),
    case("layer, seeded draw", "request", |count| repeat(count, layer(Draw::Seeded(7)).layer(Null), few)),
    case("layer, cloned", "request", cloned),
    case("layer, user in a header", "request", |count| {
        repeat(count, layer(Draw::Exact).with_affinity(Affinity::header(USER)).layer(Null), few);
    }),
    case("layer, new pin", "request", |count| repeat(count, pinning().layer(Null), few)),
    case("layer, pinned user", "request", pinned),
    case("layer, 2 instances", "request", |count| repeat(count, of_instances(2), few)),
    case("layer, 8 instances", "request", |count| repeat(count, of_instances(8), few)),
    case("choice without sending", "", chosen),
    case("proxy", "request", |count| repeat(count, proxy(Null), few)),
    case("proxy, 12 headers", "request, 12 headers", |count| repeat(count, proxy(Null), many)),
    case("proxy and layer", "request", |count| repeat(count, proxy(layer(Draw::Exact).layer(Null)), few)),
    case("proxy and layer, 12 headers", "request, 12 headers", |count| {
        repeat(count, proxy(layer(Draw::Exact).layer(Null)), many);
    }),
];

fn repeat<S, B>(count: u64, mut service: S, request: fn(u64) -> ClientRequest)
where
    S: Service<ClientRequest, Response = Response<B>>,
    B: Body,
{
    for i in 0..count {
        send(&mut service, request(i));
    }
}

/// As an application does that clones its router for each request.
fn cloned(count: u64) {
    let service = layer(Draw::Exact).layer(Null);
    for i in 0..count {
        send(&mut service.clone(), few(i));
    }
}

fn pinned(count: u64) {
    let mut service = pinning().layer(Null);
    let head = send(&mut service, few(0));
    let set = head.headers.get(SET_COOKIE).and_then(|cookie| cookie.to_str().ok()).unwrap_or_default();
    let cookie = set.split(';').next().and_then(|pair| pair.parse::<HeaderValue>().ok());
    let cookie = cookie.filter(|cookie| !cookie.is_empty()).expect("a pin is set");
    for i in 0..count {
        let mut request = few(i);
        request.headers_mut().insert(COOKIE, cookie.clone());
        let head = send(&mut service, request);
        assert!(!head.headers.contains_key(SET_COOKIE), "the pin holds");
    }
}

fn chosen(count: u64) {
    let handle = handle(Draw::Exact, [canary("auth")]);
    for _ in 0..count {
        handle.choose(black_box("auth"), None).expect("there is a version").finish(Outcome::Success);
    }
}

fn layer(draw: Draw) -> WeightedVersionLayer {
    WeightedVersionLayer::new(&handle(draw, [canary("auth")]), Target::path_segment())
}

fn proxy<S>(client: S) -> Proxy<S> {
    Proxy::new(client).with_upgrades(TokioExecutor::new())
}

/// A seeded draw pins every first user to the same version: a pin of another version is checked at another cost.
fn pinning() -> WeightedVersionLayer {
    layer(Draw::Seeded(7)).with_pin(PinCookie::new(&[7; 32]).expect("32 bytes are enough"))
}

fn of_instances(count: usize) -> WeightedVersion<Null> {
    let urls: Vec<Backend> = (0..count).map(|i| url(&format!("http://10.0.0.{i}:8080"))).collect();
    let first = urls[0].clone();
    let instances = Instances::new(urls).expect("1 to 64 instances");
    let version = Registration::new(version("v1"), first).with_instances(instances);
    let split = Split::new("auth".parse().expect("a name"), 7);
    let split = split.apply(&Change::Register(version), SystemTime::UNIX_EPOCH).expect("a first version");
    // The seed also repeats which instances are drawn.
    WeightedVersionLayer::new(&handle(Draw::Seeded(7), [split]), Target::path_segment()).layer(Null)
}

/// The service is fixed, not a segment of the path.
fn of_one_service() -> WeightedVersion<Null> {
    let target = Target::service("auth".parse().expect("a name"));
    WeightedVersionLayer::new(&handle(Draw::Exact, [canary("auth")]), target).layer(Null)
}

fn handle(draw: Draw, splits: impl IntoIterator<Item = Split>) -> RoutingHandle {
    let handle = RoutingHandle::with_draw(draw);
    handle.replace(&splits.into_iter().map(Route::compile).collect::<RoutingTable>());
    handle
}

/// A service whose second version has 10 %.
fn canary(service: &str) -> Split {
    fn register(name: &str, of: &str) -> Change {
        Change::register(version(name), url(of))
    }

    let at = SystemTime::UNIX_EPOCH;
    let ten: Weight = "10".parse().expect("a weight");
    Split::new(service.parse().expect("a name"), 7)
        .apply(&register("v1", "http://10.0.0.1:8080"), at)
        .and_then(|split| split.apply(&register("v2", "http://10.0.0.2:8080"), at))
        .and_then(|split| split.apply(&Change::set_weight(version("v2"), ten), at))
        .expect("valid changes")
}

fn version(name: &str) -> VersionName {
    name.parse().expect("a name")
}

fn url(text: &str) -> Backend {
    text.parse().expect("a base URL")
}
