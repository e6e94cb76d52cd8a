//! A gateway and its backends on real sockets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_canary::mirror::{Mirror, MirrorBody, prepare};
use tower_canary::probe::UrlPolicy;
use tower_canary::proxy::{Proxy, RequestBody};
use tower_canary::routing::{Change, Route, Split};
use tower_canary::traffic::CopyTraffic;
use tower_canary::upstream::Client;
use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};

use crate::mocks::{apply, copies, split};

/// A request as a backend got it.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A backend that records its requests and responds 200 with its name after `delay`.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    /// Requests under way, and the most of them at a time.
    open: Arc<Mutex<(usize, usize)>>,
}

impl Backend {
    pub(crate) async fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let backend = Self { address, got: Arc::default(), open: Arc::default() };
        let accepting = backend.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let backend = accepting.clone();
                let answer =
                    hyper::service::service_fn(move |request| backend.clone().answer(request, delay));
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        backend
    }

    async fn answer(
        self,
        request: Request<Incoming>,
        delay: Duration,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let _open = Open::new(&self.open);
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return Ok(Response::new(Full::default())) };
        let target = head.uri.path_and_query().map(ToString::to_string).unwrap();
        let got = Got { method: head.method, target, headers: head.headers, body: body.to_bytes() };
        self.got.lock().unwrap().push(got);
        tokio::time::sleep(delay).await;
        Ok(Response::new(Full::from("hello")))
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Returns the most requests that were under way at a time.
    pub(crate) fn most(&self) -> usize {
        self.open.lock().unwrap().1
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until it has got `count` requests, and returns them.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Got> {
        wait_until(|| self.got().len() >= count).await;
        self.got()
    }
}

/// A request under way at a backend.
struct Open(Arc<Mutex<(usize, usize)>>);

impl Open {
    fn new(counts: &Arc<Mutex<(usize, usize)>>) -> Self {
        let mut locked = counts.lock().unwrap();
        locked.0 += 1;
        locked.1 = locked.1.max(locked.0);
        Self(Arc::clone(counts))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().unwrap().0 -= 1;
    }
}

pub(crate) async fn wait_until(mut is_true: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not become true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A gateway whose service `auth` has `v0` at 100 and `v1`, the mirror.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) handle: RoutingHandle,
    split: Split,
    pub(crate) client: reqwest::Client,
}

impl Gateway {
    /// Starts a gateway in front of the base URLs, with a mirror of `percent`.
    pub(crate) async fn start(urls: [&str; 2], percent: &str, mirror: Mirror) -> Self {
        let split = split(&urls);
        let handle = RoutingHandle::new();
        assert!(handle.publish(Route::compile(split.clone())));
        let policy = UrlPolicy::new().allow_loopback();
        let backends: Client<MirrorBody<RequestBody<axum::body::Body>>> =
            Client::new(policy, TokioExecutor::new());
        let layer = WeightedVersionLayer::new(&handle, Target::path_segment()).with_mirror(mirror);
        let versions =
            ServiceBuilder::new().map_request(prepare as fn(_) -> _).layer(layer).service(backends);
        let app: Router = Router::new().fallback_service(Proxy::new(versions));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let mut gateway = Self { address, handle, split, client: reqwest::Client::new() };
        gateway.change(&Change::set_mirror("v1".parse().unwrap(), percent.parse().unwrap()));
        gateway
    }

    pub(crate) fn change(&mut self, change: &Change) {
        self.split = apply(&self.split, change);
        assert!(self.handle.publish(Route::compile(self.split.clone())));
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a `GET` and checks its response.
    pub(crate) async fn get(&self, path: &str) {
        let response = self.client.get(self.url(path)).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.text().await.unwrap()), (200, "hello".to_owned()));
    }

    pub(crate) fn copies(&self) -> CopyTraffic {
        copies(&self.handle, "v1")
    }
}
