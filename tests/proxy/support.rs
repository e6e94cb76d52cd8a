//! A gateway in this process, and backends and clients that exchange raw bytes with it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use bytes::Bytes;
use http::{Request, Response, request};
use http_body_util::{Empty, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tower::util::BoxCloneService;
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::layer::WeightedVersion;
use tower_canary::proxy::{Proxy, ProxyBody, RequestBody};
use tower_canary::routing::{Change, Route, Split};
use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};

pub(crate) type HttpProxy = Proxy<WeightedVersion<Client<HttpConnector, RequestBody<axum::body::Body>>>>;

/// The longest time until that arrives which must arrive.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// A client that responds by itself.
pub(crate) type Stub = BoxCloneService<
    Request<RequestBody<Empty<Bytes>>>,
    Response<Full<Bytes>>,
    Box<dyn std::error::Error + Send + Sync>,
>;

/// Sends `request` through a proxy around a client that responds 200. Returns the response, and the head that the client
/// got, if any.
pub(crate) async fn exchange(
    with: impl FnOnce(Proxy<Stub>) -> Proxy<Stub>,
    request: Request<Empty<Bytes>>,
) -> (Response<ProxyBody<Full<Bytes>>>, Option<request::Parts>) {
    let sent = Arc::new(Mutex::new(None));
    let head = Arc::clone(&sent);
    let client = service_fn(move |request: Request<RequestBody<Empty<Bytes>>>| {
        *head.lock().unwrap() = Some(request.into_parts().0);
        std::future::ready(Ok(Response::new(Full::default())))
    });
    let response = with(Proxy::new(BoxCloneService::new(client))).oneshot(request).await.unwrap();
    let head = sent.lock().unwrap().take();
    (response, head)
}

/// Returns all values of a field, as they are sent.
pub(crate) fn values(headers: &http::HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// A task that is aborted when this is dropped.
#[derive(Debug)]
pub(crate) struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) fn running(future: impl Future<Output = ()> + Send + 'static) -> Running {
    Running(tokio::spawn(future))
}

/// A backend that hands its connections to the test, each with the head of its first request.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    connections: mpsc::Receiver<(String, TcpStream)>,
    _accepting: Running,
}

impl Backend {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heads, connections) = mpsc::channel(16);
        let accepting = running(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let heads = heads.clone();
                tokio::spawn(async move {
                    let head = head(&mut stream).await;
                    let _ = heads.send((head, stream)).await;
                });
            }
        });
        Self { address, connections, _accepting: accepting }
    }

    /// Returns the head of the next request and its connection.
    pub(crate) async fn next(&mut self) -> (String, TcpStream) {
        let next = timeout(PATIENCE, self.connections.recv()).await;
        next.expect("no request reached the backend").unwrap()
    }

    /// Responds to the next request, and returns its head and its connection.
    pub(crate) async fn answer(&mut self, answer: &str) -> (String, TcpStream) {
        let (head, mut stream) = self.next().await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        (head, stream)
    }
}

/// A gateway whose service `auth` has one version per backend. The first has all of the weight.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) handle: RoutingHandle,
    split: Split,
    _serving: Running,
}

impl Gateway {
    pub(crate) async fn start(backends: &[SocketAddr], with: impl FnOnce(HttpProxy) -> HttpProxy) -> Self {
        Self::layered(backends, |layer| layer, with).await
    }

    /// Starts a gateway with upgrades enabled.
    pub(crate) async fn upgrading(backends: &[SocketAddr]) -> Self {
        Self::start(backends, |proxy| proxy.with_upgrades(TokioExecutor::new())).await
    }

    pub(crate) async fn layered(
        backends: &[SocketAddr],
        layer: impl FnOnce(WeightedVersionLayer) -> WeightedVersionLayer,
        with: impl FnOnce(HttpProxy) -> HttpProxy,
    ) -> Self {
        let mut split = Split::new("auth".parse().unwrap(), 7);
        for (i, address) in backends.iter().enumerate() {
            let name = format!("v{}", i + 1).parse().unwrap();
            let register = Change::register(name, format!("http://{address}").parse().unwrap());
            split = split.apply(&register, SystemTime::UNIX_EPOCH).unwrap();
        }
        let handle = RoutingHandle::new();
        assert!(handle.publish(Route::compile(split.clone())));
        let layer = layer(WeightedVersionLayer::new(&handle, Target::service("auth".parse().unwrap())));
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let (address, serving) = serve(with(Proxy::new(layer.layer(client)))).await;
        Self { address, handle, split, _serving: serving }
    }

    pub(crate) fn change(&mut self, change: &Change) {
        self.split = self.split.apply(change, SystemTime::UNIX_EPOCH).unwrap();
        assert!(self.handle.publish(Route::compile(self.split.clone())));
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Opens a connection and sends `request` on it.
    pub(crate) async fn send(&self, request: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    pub(crate) fn in_flight(&self, version: &str) -> usize {
        self.handle.in_flight("auth", version)
    }

    /// Waits until the version has no request in flight.
    pub(crate) async fn idle(&self, version: &str) {
        let idle = async {
            while self.in_flight(version) > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(PATIENCE, idle).await.is_ok(), "{version} stays in flight");
    }
}

/// Serves `proxy` by axum.
pub(crate) async fn serve(proxy: HttpProxy) -> (SocketAddr, Running) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback_service(proxy);
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    (address, running(async move { axum::serve(listener, app).await.unwrap() }))
}

/// Serves `service` by hyper, over HTTP/1.1 and HTTP/2.
pub(crate) async fn serve_by_hyper<S, B>(service: S) -> (SocketAddr, Running)
where
    S: tower::Service<Request<hyper::body::Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: std::error::Error + Send + Sync + 'static,
    B: http_body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = running(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, serving)
}

/// Reads a head and not a byte more, and returns it in lower case.
pub(crate) async fn head(stream: &mut TcpStream) -> String {
    let reading = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&head).to_lowercase()
    };
    timeout(PATIENCE, reading).await.expect("no head came")
}

/// Reads exactly `text`.
pub(crate) async fn expect(stream: &mut TcpStream, text: &str) {
    let mut received = vec![0; text.len()];
    let reading = timeout(PATIENCE, stream.read_exact(&mut received)).await;
    reading.expect("nothing came").unwrap();
    assert_eq!(String::from_utf8_lossy(&received), text);
}

/// Returns whether the other side has closed the connection.
pub(crate) async fn is_closed(stream: &mut TcpStream) -> bool {
    let read = timeout(PATIENCE, stream.read(&mut [0])).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

/// Returns whether nothing arrives for a while on an open connection.
pub(crate) async fn is_silent(stream: &mut TcpStream) -> bool {
    timeout(Duration::from_millis(200), stream.read(&mut [0])).await.is_err()
}

pub(crate) fn loopback(address: IpAddr) -> bool {
    address.is_loopback()
}
