//! The cost of the proxy per request, beside the layer's: `cargo bench --bench proxy`.
//!
//! For instruction counts, compare two runs of `proxy --turns proxy 100000` under `valgrind --tool=callgrind`.
#![expect(clippy::unwrap_used, reason = "a bench stops where it is wrong")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group};
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tower::{Layer, Service};
use tower_canary::layer::ClientAddress;
use tower_canary::proxy::Proxy;
use tower_canary::routing::{Change, Route, Split};
use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};

/// A client that does nothing.
#[derive(Clone)]
struct Null;

impl<B> Service<Request<B>> for Null {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box(request.headers());
        let mut response = Response::new(Full::from("hello"));
        response.headers_mut().insert("content-length", http::HeaderValue::from_static("5"));
        ready(Ok(response))
    }
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

fn drive<S: Service<Request<Empty<Bytes>>>>(service: &mut S, request: Request<Empty<Bytes>>) {
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    let mut future = pin!(service.call(request));
    assert!(black_box(future.as_mut().poll(&mut context)).is_ready());
}

fn layer() -> WeightedVersionLayer {
    let at = SystemTime::UNIX_EPOCH;
    let register = |name: &str, url: &str| Change::register(name.parse().unwrap(), url.parse().unwrap());
    let split = Split::new("auth".parse().unwrap(), 7)
        .apply(&register("v1", "http://10.0.0.1:8080"), at)
        .and_then(|split| split.apply(&register("v2", "http://10.0.0.2:8080"), at))
        .and_then(|split| {
            let (version, weight) = ("v2".parse().unwrap(), "10".parse().unwrap());
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
        let (mut layered, mut proxied, mut both) =
            (layer().layer(Null), upgrading(Null), upgrading(layer().layer(Null)));
        let make = || request(headers);
        group.bench_function("without", |b| {
            b.iter_batched(make, |r| drive(&mut Null, r), BatchSize::SmallInput)
        });
        group.bench_function("layer", |b| {
            b.iter_batched(make, |r| drive(&mut layered, r), BatchSize::SmallInput)
        });
        group.bench_function("proxy", |b| {
            b.iter_batched(make, |r| drive(&mut proxied, r), BatchSize::SmallInput)
        });
        group.bench_function("proxy and layer", |b| {
            b.iter_batched(make, |r| drive(&mut both, r), BatchSize::SmallInput)
        });
    }
}

fn turns(which: &str, count: u64) {
    let (mut layered, mut proxied, mut both) =
        (layer().layer(Null), upgrading(Null), upgrading(layer().layer(Null)));
    for _ in 0..count {
        match which {
            "layer" => drive(&mut layered, request(FEW)),
            "proxy" => drive(&mut proxied, request(FEW)),
            "both" => drive(&mut both, request(FEW)),
            "both-many" => drive(&mut both, request(MANY)),
            "none-many" => drive(&mut Null, request(MANY)),
            _ => drive(&mut Null, request(FEW)),
        }
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
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--turns") {
        return turns(&arguments[at + 1], arguments[at + 2].parse().unwrap());
    }
    proxy();
    Criterion::default().configure_from_args().final_summary();
}
