//! The proxy around reqwest, by way of tower-reqwest.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use reqwest::ClientBuilder;
use reqwest::dns::{Name, Resolve, Resolving};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceBuilder};
use tower_canary::proxy::{Proxy, RequestBody};
use tower_canary::routing::{Change, Route, Split};
use tower_canary::traffic::Outcome;
use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
use tower_reqwest::HttpClientLayer;

use crate::addresses::ClosedPort;
use crate::support::{Backend, Running, expect, head, running};

#[path = "../../examples/reqwest.rs"]
#[expect(dead_code, reason = "the example prints what the test checks")]
mod example;

/// A gateway in axum over reqwest, whose service `auth` has one version.
#[derive(Debug)]
struct Gateway {
    address: SocketAddr,
    handle: RoutingHandle,
    _serving: Running,
}

impl Gateway {
    async fn start(url: &str, client: ClientBuilder, recognizes_timeouts: bool) -> Self {
        let register = Change::register("v1".parse().unwrap(), url.parse().unwrap());
        let split = Split::new("auth".parse().unwrap(), 7);
        let split = split.apply(&register, std::time::SystemTime::UNIX_EPOCH).unwrap();
        let handle = RoutingHandle::new();
        assert!(handle.publish(Route::compile(split)));
        let client = ServiceBuilder::new()
            .map_request(|request: Request<RequestBody<Body>>| request.map(reqwest::Body::wrap))
            .layer(HttpClientLayer)
            .service(client.no_proxy().build().unwrap());
        let layer = WeightedVersionLayer::new(&handle, Target::service("auth".parse().unwrap()));
        let mut proxy = Proxy::new(layer.layer(client));
        if recognizes_timeouts {
            proxy = proxy
                .with_timeout_check(|error| error.downcast_ref().is_some_and(reqwest::Error::is_timeout));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback_service(proxy);
        let serving = running(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, handle, _serving: serving }
    }

    async fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// The status line and headers of the response to a GET.
    async fn get(&self) -> String {
        head(&mut self.send("GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await).await
    }

    fn errors(&self) -> u64 {
        self.handle.traffic("auth").unwrap().versions[0].total.outcome(Outcome::Error)
    }
}

fn client() -> ClientBuilder {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none())
}

#[tokio::test]
async fn requests_pass_over_reqwest() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::start(&format!("http://{}/api", backend.address), client(), true).await;
    let mut user = gateway.send("GET /a%2f?b=%20 HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    let (seen, _stream) =
        backend.answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await;
    assert!(seen.starts_with("get /api/a%2f?b=%20 http/1.1\r\n"), "{seen}");
    assert!(seen.contains(&format!("host: {}\r\n", backend.address)), "{seen}");
    // A request without a body does not get one.
    assert!(!seen.contains("transfer-encoding") && !seen.contains("content-length"), "{seen}");
    assert!(head(&mut user).await.starts_with("http/1.1 200 ok\r\n"));
    expect(&mut user, "ok").await;

    let mut user = gateway.send("POST / HTTP/1.1\r\nhost: shop\r\ncontent-length: 4\r\n\r\nbody").await;
    let (seen, mut stream) = backend.answer("HTTP/1.1 302 Found\r\nlocation: /x\r\n\r\n").await;
    assert!(seen.contains("content-length: 4\r\n") && !seen.contains("transfer-encoding"), "{seen}");
    expect(&mut stream, "body").await;
    assert!(head(&mut user).await.starts_with("http/1.1 302 found\r\n"));
}

#[tokio::test]
async fn trailers_pass_over_reqwest() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::start(&format!("http://{}", backend.address), client(), true).await;
    let body = "2\r\nup\r\n0\r\nx-sum: 1\r\n\r\n";
    let fields = "te: trailers\r\ntrailer: x-sum\r\ntransfer-encoding: chunked";
    let mut user = gateway.send(&format!("POST / HTTP/1.1\r\nhost: shop\r\n{fields}\r\n\r\n{body}")).await;
    let (seen, mut stream) = backend.next().await;
    assert!(seen.contains("trailer: x-sum\r\n"), "{seen}");
    expect(&mut stream, body).await;
    let response = format!("HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n{body}");
    stream.write_all(response.as_bytes()).await.unwrap();
    assert!(head(&mut user).await.starts_with("http/1.1 200 ok\r\n"));
    expect(&mut user, body).await;
}

#[tokio::test]
async fn reqwest_timeouts_are_504_with_the_check() {
    let limit = Duration::from_millis(100);
    for (client, recognizes, expected) in [
        (client().timeout(limit), true, "http/1.1 504"),
        (client().read_timeout(limit), true, "http/1.1 504"),
        (client().timeout(limit), false, "http/1.1 502"),
    ] {
        let backend = Backend::start().await;
        let gateway = Gateway::start(&format!("http://{}", backend.address), client, recognizes).await;
        let response = gateway.get().await;
        assert!(response.starts_with(expected), "{response}");
        assert_eq!(gateway.errors(), 1);
    }
}

/// Resolves no name, ever.
struct Unresponsive;

impl Resolve for Unresponsive {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn reqwest_connect_timeout_is_504() {
    let client = client().dns_resolver(Arc::new(Unresponsive)).connect_timeout(Duration::from_millis(100));
    let gateway = Gateway::start("http://backend.example", client, true).await;
    assert!(gateway.get().await.starts_with("http/1.1 504"));
    assert_eq!(gateway.errors(), 1);
}

#[tokio::test]
async fn refused_reqwest_connection_is_502() {
    let closed = ClosedPort::new();
    let gateway = Gateway::start(&closed.url(), client(), true).await;
    assert!(gateway.get().await.starts_with("http/1.1 502"));
    assert_eq!(gateway.errors(), 1);
}

#[cfg(feature = "failover")]
#[tokio::test]
async fn refused_reqwest_connection_fails_over() {
    use bytes::Bytes;
    use http_body_util::Full;
    use tower::ServiceExt;
    use tower::retry::RetryLayer;
    use tower_canary::layer::failover::{Failover, ReplayableBody, prepare};
    use tower_canary::routing::Reason;

    let mut backend = Backend::start().await;
    let closed = ClosedPort::new();
    let mut split = Split::new("auth".parse().unwrap(), 7);
    for change in [
        Change::register("v1".parse().unwrap(), closed.url().parse().unwrap()),
        Change::register("v2".parse().unwrap(), format!("http://{}", backend.address).parse().unwrap()),
        Change::set_weight("v2".parse().unwrap(), "1".parse().unwrap()),
    ] {
        split = split.apply(&change, std::time::SystemTime::UNIX_EPOCH).unwrap();
    }
    let handle = RoutingHandle::new();
    assert!(handle.publish(Route::compile(split)));
    let layer = WeightedVersionLayer::new(&handle, Target::service("auth".parse().unwrap()));
    let service = ServiceBuilder::new()
        .layer_fn(Proxy::new)
        .map_request(prepare)
        .layer(RetryLayer::new(Failover::new(reqwest::Error::is_connect)))
        .layer(layer.with_failover())
        .map_request(|request: Request<ReplayableBody<RequestBody<Body>>>| request.map(reqwest::Body::wrap))
        .layer(HttpClientLayer)
        .service(client().no_proxy().build().unwrap());
    for _ in 0..5 {
        let body = Body::new(Full::<Bytes>::from("body"));
        let request = Request::post("/").header("host", "shop").body(body).unwrap();
        let response = tokio::spawn(service.clone().oneshot(request));
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let (_, mut stream) = backend.answer(head).await;
        expect(&mut stream, "body").await;
        assert_eq!(response.await.unwrap().unwrap().status(), 200);
    }
    assert!(handle.picks("auth", "v2", Reason::Failover) > Some(0));
}

// hyper-util would send the path unchanged. The layer rejects a path that could leave a base path.
#[tokio::test]
async fn reqwest_resolves_dot_segments() {
    let mut backend = Backend::start().await;
    for (base, is_sent) in [("", true), ("/api", false)] {
        let gateway = Gateway::start(&format!("http://{}{base}", backend.address), client(), true).await;
        let mut user = gateway.send("GET /a/../../x HTTP/1.1\r\nhost: shop\r\n\r\n").await;
        if is_sent {
            assert!(backend.next().await.0.starts_with("get /x http/1.1\r\n"));
        } else {
            assert!(head(&mut user).await.starts_with("http/1.1 400"));
        }
    }
}

#[tokio::test]
async fn broken_upload_over_reqwest_is_400() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::start(&format!("http://{}", backend.address), client(), true).await;
    let fields = "host: shop\r\ntransfer-encoding: chunked";
    let mut user = gateway.send(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n1\r\nx\r\nno chunk\r\n")).await;
    let _connection = backend.next().await;
    assert!(head(&mut user).await.starts_with("http/1.1 400"));
    assert_eq!(gateway.errors(), 0);
}

#[tokio::test]
async fn reqwest_example_works() {
    let responses = example::run().await.unwrap();
    // The draw begins anywhere, so 20 requests are exact to one.
    let stable = responses.versions["v1"];
    assert!(stable.abs_diff(18) <= 1 && responses.versions["v2"] == 20 - stable, "{responses:?}");
    assert_eq!(responses.echo, "an upload");
    assert_eq!((responses.slow.as_u16(), responses.refused.as_u16()), (504, 502));
}
