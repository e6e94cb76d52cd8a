//! The cost of the proxy per request, beside the layer's: `cargo bench --bench proxy`.
//! `benches/instructions` counts instructions.
#![expect(clippy::unwrap_used, reason = "a bench stops where it is wrong")]

mod support;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group};
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tower::{Layer, service_fn};
use tower_canary::layer::ClientAddress;
use tower_canary::proxy::Proxy;
use tower_canary::routing::{Change, Route, Split};
use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};

use self::support::drive;

/// Responds as a backend does whose body has a known length.
fn respond<B>(request: Request<B>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    drop(black_box(request));
    let mut response = Response::new(Full::from("hello"));
    response.headers_mut().insert("content-length", http::HeaderValue::from_static("5"));
    ready(Ok(response))
}

/// A request with the headers of a browser or of a load generator.
fn request(headers: &[(&'static str, &'static str)]) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = http::Uri::from_static("/auth/login?next=home");
    for (name, value) in headers {
        let value = http::HeaderValue::from_static(value);
        request.headers_mut().append(http::HeaderName::from_static(name), value);
    }
    request.extensions_mut().insert(ClientAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    request
}

const FEW: &[(&str, &str)] = &[("host", "shop.example.com")];
const MANY: &[(&str, &str)] = &[
    ("host", "shop.example.com"),
    ("connection", "keep-alive"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
    ("accept", "text/html,application/xhtml+xml"),
    ("accept-language", "en-GB,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br"),
    ("referer", "https://shop.example.com/"),
    ("cookie", "session=0123456789abcdef; theme=dark"),
    ("upgrade-insecure-requests", "1"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("cache-control", "max-age=0"),
];

fn register(name: &str, url: &str) -> Change {
    Change::register(name.parse().unwrap(), url.parse().unwrap())
}

fn layer() -> WeightedVersionLayer {
    let at = SystemTime::UNIX_EPOCH;
    let split = Split::new("auth".parse().unwrap(), 7)
        .apply(&register("v1", "http://10.0.0.1:8080"), at)
        .and_then(|split| split.apply(&register("v2", "http://10.0.0.2:8080"), at))
        .and_then(|split| {
            let version = "v2".parse().unwrap();
            let weight = "10".parse().unwrap();
            split.apply(&Change::set_weight(version, weight), at)
        });
    let handle = RoutingHandle::new();
    assert!(handle.publish(Route::compile(split.unwrap())));
    WeightedVersionLayer::new(&handle, Target::path_segment())
}

fn upgrading<S>(client: S) -> Proxy<S> {
    Proxy::new(client).with_upgrades(hyper_util::rt::TokioExecutor::new())
}

fn costs(c: &mut Criterion) {
    for (of, headers) in [("1 header", FEW), ("12 headers", MANY)] {
        let mut group = c.benchmark_group(format!("a request with {of}"));
        let mut without = service_fn(respond);
        let mut layered = layer().layer(service_fn(respond));
        let mut proxied = upgrading(service_fn(respond));
        let mut both = upgrading(layer().layer(service_fn(respond)));
        group.bench_function("without", |b| {
            b.iter_batched(|| request(headers), |r| drive(&mut without, r), BatchSize::SmallInput)
        });
        group.bench_function("layer", |b| {
            b.iter_batched(|| request(headers), |r| drive(&mut layered, r), BatchSize::SmallInput)
        });
        group.bench_function("proxy", |b| {
            b.iter_batched(|| request(headers), |r| drive(&mut proxied, r), BatchSize::SmallInput)
        });
        group.bench_function("proxy and layer", |b| {
            b.iter_batched(|| request(headers), |r| drive(&mut both, r), BatchSize::SmallInput)
        });
    }
}

criterion_group! {
    name = proxy;
    config = Criterion::default().sample_size(40).measurement_time(std::time::Duration::from_secs(2));
    targets = costs
}

fn main() {
    // The proxy's timeout needs a timer.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    proxy();
    Criterion::default().configure_from_args().final_summary();
}
