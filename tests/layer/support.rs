//! Handles with routes, clients that echo their requests, and backends on real sockets.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt};
use tower_canary::layer::ResponseBody;
use tower_canary::routing::{Change, Route, Split};
use tower_canary::traffic::VersionTraffic;
use tower_canary::{Draw, RoutingHandle, Target, VersionName, WeightedVersionLayer};

/// A split of `service` with one active version per URL and weight: v0, v1, ...
pub(crate) fn split(service: &str, versions: &[(&str, f64)]) -> Split {
    fn name(i: usize) -> VersionName {
        format!("v{i}").parse().unwrap()
    }

    let mut split = Split::new(service.parse().unwrap(), 7);
    for (i, (url, _)) in versions.iter().enumerate() {
        split =
            split.apply(&Change::register(name(i), url.parse().unwrap()), SystemTime::UNIX_EPOCH).unwrap();
    }
    let weights =
        versions.iter().enumerate().map(|(i, (_, percent))| (name(i), (*percent).try_into().unwrap()));
    split.apply(&Change::SetWeights(weights.collect()), SystemTime::UNIX_EPOCH).unwrap()
}

pub(crate) fn handle(splits: &[Split]) -> RoutingHandle {
    let handle = RoutingHandle::with_draw(Draw::Seeded(1));
    for split in splits {
        assert!(handle.publish(Route::compile(split.clone())));
    }
    handle
}

/// A handle with one service, `auth`.
pub(crate) fn auth(versions: &[(&str, f64)]) -> RoutingHandle {
    handle(&[split("auth", versions)])
}

/// Returns the traffic of version `i` of the service `auth`.
pub(crate) fn traffic_of(handle: &RoutingHandle, i: usize) -> VersionTraffic {
    handle.traffic("auth").unwrap().versions[i].clone()
}

pub(crate) fn fixed(handle: &RoutingHandle) -> WeightedVersionLayer {
    WeightedVersionLayer::new(handle, Target::service("auth".parse().unwrap()))
}

/// An empty response body with the request.
#[derive(Debug)]
pub(crate) struct Echoed(pub(crate) Request<()>);

impl http_body::Body for Echoed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

/// A client that responds with the request it gets, without its body.
#[derive(Clone, Debug)]
pub(crate) struct Echo;

impl<B> Service<Request<B>> for Echo {
    type Response = Response<Echoed>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(Response::new(Echoed(request.map(|_| ())))))
    }
}

/// Returns the request that `layer` sends to the client, or the response of a rejection.
pub(crate) async fn sent(
    layer: &WeightedVersionLayer,
    request: Request<()>,
) -> Result<Request<()>, Response<ResponseBody<Echoed>>> {
    let response = layer.layer(Echo).oneshot(request).await.unwrap();
    match response.status().is_success() && response.headers().is_empty() {
        true => Ok(response.into_body().into_inner().unwrap().0),
        false => Err(response),
    }
}

pub(crate) fn get(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

/// Starts a backend on a real socket that responds with its name, and the path and `Host` of the request.
pub(crate) async fn backend(name: &'static str) -> SocketAddr {
    serve(move |request: Request<Incoming>| {
        let host = request.headers().get("host").map_or("", |host| host.to_str().unwrap()).to_owned();
        let text = format!("{name} {} {host}", request.uri());
        ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text)))))
    })
    .await
}

pub(crate) async fn serve<F, Fut, B>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let service = hyper::service::service_fn(answer.clone());
            spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

#[expect(clippy::disallowed_methods, reason = "a test, unlike the library, spawns")]
pub(crate) fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future)
}
