//! The idle limits of bodies and of tunnels.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::rt::Executor;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::layer::ResponseBody;
use tower_canary::proxy::{BodyWatch, Proxy, ProxyBody, RequestBody};
use tower_canary::routing::{Change, Route, Split};
use tower_canary::traffic::Outcome;
use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};

use crate::frames;
use crate::support::{Backend, Gateway, expect, head, is_closed, serve_by_hyper};

const LIMIT: Duration = Duration::from_secs(60);

/// The limit of a tunnel, without paused time.
const TUNNEL_LIMIT: Duration = Duration::from_secs(2);

/// A limit without paused time.
const SHORT_LIMIT: Duration = Duration::from_millis(300);

type Frames = Channel<Bytes, Infallible>;

/// Runs watches, and counts those that have not ended.
#[derive(Clone, Debug, Default)]
struct Watches(Arc<AtomicUsize>);

impl Executor<BodyWatch> for Watches {
    fn execute(&self, watch: BodyWatch) {
        let running = Arc::clone(&self.0);
        running.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            watch.await;
            running.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// An exchange after its response head, with both bodies open.
struct Exchange {
    handle: RoutingHandle,
    watches: Watches,
    request: RequestBody<Frames>,
    response: ProxyBody<ResponseBody<Frames>>,
    /// The client's side of the request body, and the backend's side of the response body.
    upload: Sender<Bytes, Infallible>,
    download: Sender<Bytes, Infallible>,
}

/// Returns routes where `auth` has v1.
fn routes() -> RoutingHandle {
    let register = Change::register("v1".parse().unwrap(), "http://backend".parse().unwrap());
    let split = Split::new("auth".parse().unwrap(), 7).apply(&register, SystemTime::UNIX_EPOCH).unwrap();
    let handle = RoutingHandle::new();
    assert!(handle.publish(Route::compile(split)));
    handle
}

impl Exchange {
    async fn start(limit: Option<Duration>) -> Self {
        let handle = routes();
        let (download, body) = Frames::new(4);
        let (bodies, sent) = std::sync::mpsc::channel();
        let mut body = Some(body);
        let client = service_fn(move |request: Request<RequestBody<Frames>>| {
            bodies.send(request.into_body()).unwrap();
            std::future::ready(Ok::<_, Infallible>(Response::new(body.take().unwrap())))
        });
        let layer = WeightedVersionLayer::new(&handle, Target::service("auth".parse().unwrap()));
        let watches = Watches::default();
        let proxy = Proxy::new(layer.layer(client));
        let proxy = match limit {
            Some(limit) => proxy.with_body_idle_timeout(limit, watches.clone()),
            None => proxy,
        };
        let (upload, body) = Frames::new(4);
        let request = Request::post("/").header("host", "shop").body(body).unwrap();
        let response = proxy.oneshot(request).await.unwrap().into_body();
        Self { handle, watches, request: sent.recv().unwrap(), response, upload, download }
    }

    fn in_flight(&self) -> usize {
        self.handle.in_flight("auth", "v1")
    }

    fn watches(&self) -> usize {
        self.watches.0.load(Ordering::Relaxed)
    }

    /// Checks that the exchange has ended with this outcome.
    fn assert_ended(&self, outcome: Outcome) {
        assert_eq!(self.in_flight(), 0);
        assert_eq!(self.handle.traffic("auth").unwrap().versions[0].total.outcome(outcome), 1);
        assert_eq!(self.watches(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn silent_backend_ends_the_exchange() {
    let mut exchange = Exchange::start(Some(LIMIT)).await;
    exchange.download.send_data("x".into()).await.unwrap();
    let start = Instant::now();
    assert!(exchange.response.frame().await.unwrap().is_ok());
    assert!(exchange.response.frame().await.unwrap().is_err());
    assert_eq!(start.elapsed().as_secs(), LIMIT.as_secs());
    tokio::task::yield_now().await;
    exchange.assert_ended(Outcome::Error);
    assert!(exchange.request.frame().await.unwrap().is_err());
}

// The server does not poll the response, since the client reads nothing.
#[tokio::test(start_paused = true)]
async fn unread_response_ends_the_exchange() {
    for reads in [0, 1] {
        let mut exchange = Exchange::start(Some(LIMIT)).await;
        exchange.download.send_data("x".into()).await.unwrap();
        exchange.download.send_data("x".into()).await.unwrap();
        for _ in 0..reads {
            assert!(exchange.response.frame().await.unwrap().is_ok());
        }
        sleep(LIMIT - Duration::from_secs(1)).await;
        assert_eq!(exchange.in_flight(), 1);
        sleep(Duration::from_secs(2)).await;
        exchange.assert_ended(Outcome::Cancelled);
        assert!(exchange.download.send_data("x".into()).await.is_err(), "the backend's body is dropped");
        assert!(exchange.response.frame().await.unwrap().is_err());
    }
}

// The response has ended, and the backend reads no more of the request.
#[tokio::test(start_paused = true)]
async fn unread_upload_ends_the_exchange() {
    let mut exchange = Exchange::start(Some(LIMIT)).await;
    exchange.upload.send_data("x".into()).await.unwrap();
    exchange.response = ProxyBody::default();
    assert_eq!(exchange.in_flight(), 1);
    sleep(LIMIT + Duration::from_secs(1)).await;
    exchange.assert_ended(Outcome::Cancelled);
    assert!(exchange.upload.send_data("x".into()).await.is_err(), "the client's body is dropped");
}

#[tokio::test(start_paused = true)]
async fn movement_of_either_body_is_enough() {
    let mut exchange = Exchange::start(Some(LIMIT)).await;
    for i in 0..6 {
        sleep(LIMIT - Duration::from_secs(1)).await;
        if i < 3 {
            exchange.upload.send_data("x".into()).await.unwrap();
            assert!(exchange.request.frame().await.unwrap().is_ok());
        } else {
            exchange.download.send_data("x".into()).await.unwrap();
            assert!(exchange.response.frame().await.unwrap().is_ok());
        }
        assert_eq!(exchange.in_flight(), 1);
    }
    sleep(LIMIT + Duration::from_secs(1)).await;
    assert_eq!(exchange.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn watch_ends_with_the_bodies() {
    let mut exchange = Exchange::start(Some(LIMIT)).await;
    assert_eq!(exchange.watches(), 1);
    let watches = exchange.watches.clone();
    exchange.response = ProxyBody::default();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(watches.0.load(Ordering::Relaxed), 1);
    drop(exchange);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(watches.0.load(Ordering::Relaxed), 0);
}

// Nothing of the exchange is left at the backend, so there is nothing to end, however late the client reads.
#[tokio::test(start_paused = true)]
async fn complete_response_needs_no_watch() {
    let handle = routes();
    let client = service_fn(|_: Request<RequestBody<String>>| async {
        Ok::<_, Infallible>(Response::new("pong".to_owned()))
    });
    let layer = WeightedVersionLayer::new(&handle, Target::service("auth".parse().unwrap()));
    let watches = Watches::default();
    let proxy = Proxy::new(layer.layer(client)).with_body_idle_timeout(LIMIT, watches.clone());
    let request = Request::get("/").header("host", "shop").body(String::new()).unwrap();
    let response = proxy.oneshot(request).await.unwrap().into_body();
    assert_eq!((watches.0.load(Ordering::Relaxed), handle.in_flight("auth", "v1")), (0, 0));
    sleep(2 * LIMIT).await;
    assert_eq!((response.size_hint().exact(), response.is_end_stream()), (Some(4), false));
    assert_eq!(response.collect().await.unwrap().to_bytes(), "pong");
    assert_eq!(handle.traffic("auth").unwrap().versions[0].total.outcome(Outcome::Success), 1);
}

#[tokio::test(start_paused = true)]
async fn bodies_rest_without_a_limit() {
    for limit in [None, Some(Duration::MAX)] {
        let exchange = Exchange::start(limit).await;
        sleep(Duration::from_hours(1_000)).await;
        assert_eq!(exchange.in_flight(), 1);
    }
}

// One client takes no data of its stream, the other none of its connection. The gateway's connections stay open.
#[tokio::test]
async fn client_that_reads_nothing_frees_the_version() {
    let no_window =
        [frames::preface(&[0, 4, 0, 0, 0, 0]), frames::head(true, &[(":method", "GET")])].concat();
    for request in [no_window, b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n".to_vec()] {
        let mut backend = Backend::start().await;
        let routes = Gateway::start(&[backend.address], |proxy| proxy).await;
        let layer = WeightedVersionLayer::new(&routes.handle, Target::service("auth".parse().unwrap()));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let proxy = Proxy::new(layer.layer(client)).with_body_idle_timeout(SHORT_LIMIT, TokioExecutor::new());
        let (address, _serving) = serve_by_hyper(proxy).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(&request).await.unwrap();
        let (_, mut server) = backend.answer("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await;
        let start = std::time::Instant::now();
        // It ends when the gateway closes the connection.
        while server.write_all(&[0; 16 * 1024]).await.is_ok() {}
        routes.idle("v1").await;
        assert!(start.elapsed() >= SHORT_LIMIT);
    }
}

#[tokio::test]
async fn idle_tunnel_is_closed() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::start(&[backend.address], |proxy| {
        proxy.with_upgrades(TokioExecutor::new()).with_tunnel_idle_timeout(TUNNEL_LIMIT)
    })
    .await;
    let request = "GET / HTTP/1.1\r\nhost: shop\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let mut client = gateway.send(request).await;
    let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let (_, mut server) = backend.answer(answer).await;
    head(&mut client).await;
    let start = std::time::Instant::now();
    for _ in 0..5 {
        sleep(TUNNEL_LIMIT / 4).await;
        client.write_all(b"ping").await.unwrap();
        expect(&mut server, "ping").await;
    }
    assert!(start.elapsed() > TUNNEL_LIMIT);
    assert!(is_closed(&mut client).await && is_closed(&mut server).await);
    gateway.idle("v1").await;
}
