//! Connections, and their end.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::shutdown::Shutdown;

/// How long a client may take to the end of a request's head, the first one of a connection or the next.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// How long requests in flight may take to their end once the shutdown has begun.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// Serves HTTP/1.1 and HTTP/2 (prior knowledge) until `shutdown`, then until the requests in flight have ended.
pub(crate) async fn until<M, S, B>(listener: TcpListener, shutdown: Shutdown, make: M)
where
    M: Fn(SocketAddr) -> S,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (builder, connections) = (Arc::new(builder()), GracefulShutdown::new());
    let mut shutdown = pin!(shutdown.begun());
    while let Some((stream, peer)) = accept(&listener, shutdown.as_mut()).await {
        let (service, watcher) = (make(peer), connections.watcher());
        tokio::spawn(connection(Arc::clone(&builder), stream, service, watcher));
    }
    drop(listener);
    if timeout(DRAIN_LIMIT, connections.shutdown()).await.is_err() {
        tracing::warn!("requests in flight are cut off");
    }
}

/// The next connection; `None` once `end` has come.
async fn accept(
    listener: &TcpListener,
    mut end: Pin<&mut impl Future<Output = ()>>,
) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut end => return None,
        };
        match accepted {
            Ok(connection) => return Some(connection),
            Err(error) => pause_after(&error).await,
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // Without a timer hyper has no time limits at all.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).writev(false);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(20));
    builder
}

async fn connection<S, B>(
    builder: Arc<Builder<TokioExecutor>>,
    stream: TcpStream,
    service: S,
    watcher: Watcher,
) where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let heard = Arc::new(AtomicBool::new(false));
    let service = Heard { service, heard: Arc::clone(&heard) };
    let serving = watcher.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
    tokio::select! {
        // Clients come and go: how is theirs to know.
        _ended = serving => {}
        () = silence(&heard) => {}
    }
}

/// The end of a client that sent nothing, or half of what tells HTTP/1 from HTTP/2: hyper has no time limit for that.
async fn silence(heard: &AtomicBool) {
    sleep(HEAD_LIMIT).await;
    if heard.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

/// Notes that a request came.
struct Heard<S> {
    service: S,
    heard: Arc<AtomicBool>,
}

impl<S, R> Service<R> for Heard<S>
where
    S: Service<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, request: R) -> S::Future {
        self.heard.store(true, Ordering::Relaxed);
        self.service.call(request)
    }
}

/// Out of file descriptors, mostly: connections that end give some back.
async fn pause_after(error: &io::Error) {
    tracing::warn!(error = error as &dyn Error, "cannot accept a connection");
    sleep(Duration::from_millis(50)).await;
}
