//! Connections to backends. Each thread has a pool of its own, so that no thread waits for another one.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use http::header::{HOST, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{Request, Response, Uri};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceExt};
use tower_canary::probe::{GuardedConnector, UrlPolicy};
use tower_canary::proxy::{RequestBody, is_grpc};

use crate::serve::MAX_BUFFER;

/// Maximum time to connect to a backend.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum idle time of a pooled connection. Common servers close idle connections after 5 s, and a request sent at that
/// moment is lost: the gateway closes earlier.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

type BoxError = Box<dyn Error + Send + Sync>;
type ClientBody = RequestBody<Incoming>;
type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response<BackendBody>, BoxError>> + Send>>;
type IdleConnections = HashMap<Box<str>, Vec<IdleConnection>, RandomState>;

/// A client with a connection pool: HTTP/1.1, and HTTP/2 with prior knowledge for gRPC.
#[derive(Clone, Debug)]
pub(crate) struct Backends(Arc<Pool>);

struct Pool {
    connector: GuardedConnector,
    /// By the authority of the backend.
    idle: Mutex<IdleConnections>,
    grpc: Client<GuardedConnector, ClientBody>,
}

/// A connection without a request.
struct IdleConnection {
    sender: SendRequest<ClientBody>,
    since: Instant,
}

/// A connection with a request in flight.
struct BusyConnection {
    sender: SendRequest<ClientBody>,
    backend: Authority,
    pool: Arc<Pool>,
}

/// A response body. At its end, its connection returns to the pool.
pub(crate) struct BackendBody {
    body: Incoming,
    connection: Option<BusyConnection>,
}

impl Backends {
    pub(crate) fn new(policy: UrlPolicy) -> Self {
        let connector = policy.connector().with_connect_timeout(CONNECT_TIMEOUT);
        let grpc = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http2_only(true)
            .build(connector.clone());
        Self(Arc::new(Pool { connector, idle: Mutex::default(), grpc }))
    }

    /// Closes connections that were idle for too long. Runs as long as the thread.
    pub(crate) async fn close_idle_connections(self) {
        loop {
            sleep(IDLE_TIMEOUT / 4).await;
            self.0.idle().retain(|_, connections| {
                connections.retain(IdleConnection::is_usable);
                !connections.is_empty()
            });
        }
    }
}

impl Service<Request<ClientBody>> for Backends {
    type Response = Response<BackendBody>;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ClientBody>) -> Self::Future {
        let pool = Arc::clone(&self.0);
        if is_grpc(request.headers()) { Box::pin(pool.send_grpc(request)) } else { pool.send_http1(request) }
    }
}

impl Pool {
    async fn send_grpc(
        self: Arc<Self>,
        mut request: Request<ClientBody>,
    ) -> Result<Response<BackendBody>, BoxError> {
        // The client writes `:authority`, and a `Host` header must not contradict it (RFC 9113, 8.3.1).
        request.headers_mut().remove(HOST);
        let response = self.grpc.request(request).await?;
        Ok(response.map(|body| BackendBody { body, connection: None }))
    }

    /// Sends a request on an idle connection if there is one. The request is then sent before the future is created, which
    /// keeps the future small.
    fn send_http1(self: Arc<Self>, mut request: Request<ClientBody>) -> ResponseFuture {
        let uri = std::mem::take(request.uri_mut());
        let Some(backend) = uri.authority().cloned() else {
            return Box::pin(ready(Err("the request names no backend".into())));
        };
        set_origin_form(&mut request, &uri, &backend);
        match self.take_idle(&backend) {
            Some(mut sender) => {
                let response = sender.try_send_request(request);
                Box::pin(self.receive_or_resend(response, sender, uri, backend))
            }
            None => Box::pin(self.send_on_new_connection(request, uri, backend)),
        }
    }

    /// Waits for the response on a connection that was idle before. Such a connection may be closed already.
    async fn receive_or_resend(
        self: Arc<Self>,
        response: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<ClientBody>>>>,
        sender: SendRequest<ClientBody>,
        uri: Uri,
        backend: Authority,
    ) -> Result<Response<BackendBody>, BoxError> {
        match response.await {
            Ok(response) => Ok(BusyConnection { sender, backend, pool: self }.response(response)),
            // The backend closed the connection before a byte was written: a retry is safe for every method.
            Err(mut error) => match error.take_message() {
                Some(unsent) => self.send_on_new_connection(unsent, uri, backend).await,
                None => Err(error.into_error().into()),
            },
        }
    }

    async fn send_on_new_connection(
        self: Arc<Self>,
        request: Request<ClientBody>,
        uri: Uri,
        backend: Authority,
    ) -> Result<Response<BackendBody>, BoxError> {
        let mut sender = self.connect(uri).await?;
        let response = sender.try_send_request(request).await.map_err(TrySendError::into_error)?;
        Ok(BusyConnection { sender, backend, pool: self }.response(response))
    }

    async fn connect(&self, uri: Uri) -> Result<SendRequest<ClientBody>, BoxError> {
        let stream = self.connector.clone().oneshot(uri).await?;
        let mut builder = http1::Builder::new();
        // Copying a small head and body into one buffer is cheaper than a vectored write.
        builder.writev(false).max_buf_size(MAX_BUFFER);
        let (sender, connection) = builder.handshake(stream).await?;
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    /// Takes the connection to `backend` that was used last: it is the most likely one to be open.
    fn take_idle(&self, backend: &Authority) -> Option<SendRequest<ClientBody>> {
        let mut idle = self.idle();
        let connections = idle.get_mut(backend.as_str())?;
        while let Some(connection) = connections.pop() {
            if connection.is_usable() {
                return Some(connection.sender);
            }
        }
        None
    }

    fn idle(&self) -> MutexGuard<'_, IdleConnections> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets the request target to path and query (RFC 9112, 3.2.1), and `Host` to the backend if it is missing.
fn set_origin_form(request: &mut Request<ClientBody>, uri: &Uri, backend: &Authority) {
    let path = uri.path_and_query().cloned();
    *request.uri_mut() = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
    if !request.headers().contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(backend.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
}

impl IdleConnection {
    fn is_usable(&self) -> bool {
        self.sender.is_ready() && self.since.elapsed() < IDLE_TIMEOUT
    }
}

impl BusyConnection {
    /// Attaches the connection to the body of its response.
    fn response(self, response: Response<Incoming>) -> Response<BackendBody> {
        response.map(|body| {
            let mut body = BackendBody { body, connection: Some(self) };
            body.release_at_end();
            body
        })
    }

    /// Returns the connection to the pool as soon as it is ready for another request.
    fn release(mut self) {
        if self.sender.is_ready() {
            return self.return_to_pool();
        }
        tokio::spawn(async move {
            if self.sender.ready().await.is_ok() {
                self.return_to_pool();
            }
        });
    }

    fn return_to_pool(self) {
        let connection = IdleConnection { sender: self.sender, since: Instant::now() };
        let mut idle = self.pool.idle();
        match idle.get_mut(self.backend.as_str()) {
            Some(others) => others.push(connection),
            None => _ = idle.insert(self.backend.as_str().into(), vec![connection]),
        }
    }
}

impl BackendBody {
    fn release_at_end(&mut self) {
        if self.body.is_end_stream() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.release();
        }
    }
}

impl Body for BackendBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(_)) => self.release_at_end(),
            // A broken connection is closed, not reused.
            Some(Err(_)) => self.connection = None,
            None => self.release(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("connector", &self.connector).finish_non_exhaustive()
    }
}
