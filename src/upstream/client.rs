//! The client: settings, clones, and the service.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::rt::Executor;
use tower_service::Service;

use super::body::Body;
use super::connect::Connector;
use super::error::Error;
use super::figures::{BackendConnections, Pools};
use super::future::ResponseFuture;
#[cfg(feature = "metrics")]
use super::metrics::Published;
use super::pool::Pool;
use super::send::send;
use super::settings::{Http2, Settings};
use super::task::Task;
use crate::common::error::BoxError;
#[cfg(feature = "client-tls")]
use crate::probe::ClientTls;
use crate::probe::UrlPolicy;

/// A client for backends: a service with a connection pool, for HTTP/1.1 and HTTP/2.
///
/// It sends a request to the scheme and authority of its URI. It is always ready, and clones share
/// the pool. See the [module docs](super) for what it does on the wire.
///
/// The `with_*` methods start a new pool, so they come first.
///
/// ```
/// use std::time::Duration;
///
/// use axum::body::Body;
/// use hyper_util::rt::TokioExecutor;
/// use tower::Layer;
/// use tower_canary::probe::UrlPolicy;
/// use tower_canary::proxy::Proxy;
/// use tower_canary::upstream::Client;
/// use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
///
/// let client = Client::new(UrlPolicy::new(), TokioExecutor::new())
///     .with_connect_timeout(Duration::from_secs(1))
///     .with_idle_timeout(Duration::from_secs(30));
/// let layer = WeightedVersionLayer::new(&RoutingHandle::new(), Target::path_segment());
/// let app: axum::Router = axum::Router::new().fallback_service(Proxy::new(layer.layer(client)));
/// ```
#[must_use]
pub struct Client<B> {
    handle: Arc<Handle<B>>,
}

/// The parts that the clones of a client share. Dropping it closes the pool.
struct Handle<B> {
    pool: Arc<Pool<B>>,
    shared: Arc<Shared<B>>,
}

/// What clients with pools of their own share.
struct Shared<B> {
    pools: Pools<B>,
    #[cfg(feature = "metrics")]
    published: Published,
}

impl<B> Client<B> {
    /// Creates a client that connects where `policy` allows, with the defaults of each `with_*` method.
    ///
    /// `executor` runs one future per connection. hyper-util's `TokioExecutor` spawns it. See
    /// [`Client`] for an example.
    pub fn new(policy: UrlPolicy, executor: impl Executor<Task> + Send + Sync + 'static) -> Self {
        Self::with_settings(Settings::new(Connector::new(policy), Arc::new(executor)))
    }

    /// Creates a client with pools of its own: connections that were made with other settings are not used.
    fn with_settings(settings: Settings) -> Self {
        let shared = Shared {
            pools: Pools::new(),
            #[cfg(feature = "metrics")]
            published: Published::default(),
        };
        Self::with_pool(Arc::new(settings), Arc::new(shared))
    }

    /// Creates a client with a pool beside those that `shared` knows.
    fn with_pool(settings: Arc<Settings>, shared: Arc<Shared<B>>) -> Self {
        let pool = Arc::new(Pool::new(settings));
        shared.pools.add(&pool);
        Self { handle: Arc::new(Handle { pool, shared }) }
    }

    /// Changes a setting.
    fn set(self, set: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::clone(&self.handle.pool.settings);
        set(&mut settings);
        Self::with_settings(settings)
    }

    /// Sets the maximum time until a request has a connection. Default: 3 seconds.
    ///
    /// It covers name resolution, connecting, TLS, the handshake of HTTP/2, and waiting for a
    /// connection if there are [as many as there may be](Self::with_max_connections). When it
    /// expires, `Proxy` responds 504. See [`Client`] for an example.
    pub fn with_connect_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| {
            settings.connect_timeout = timeout;
            // It divides the time among the addresses of a name.
            settings.connector = settings.connector.clone().with_timeout(timeout);
        })
    }

    /// Sets how long a connection may be idle before it is closed. Default: 4 seconds.
    ///
    /// Many servers close idle connections after 5 seconds, and a request sent at that moment may be
    /// lost. A longer time suits backends that keep connections longer. If a server says how long it
    /// keeps a connection (`Keep-Alive: timeout=5`), four fifths of that are the limit, if it is
    /// shorter. See [`Client`] for an example.
    pub fn with_idle_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.idle_timeout = timeout)
    }

    /// Sets the age from which a connection gets no new requests. Default: 5 minutes.
    ///
    /// So a changed DNS record is followed also under constant traffic. The age varies by 10 % from
    /// connection to connection. `Duration::MAX` disables the limit.
    ///
    /// ```
    /// # use http_body_util::Empty;
    /// # use hyper_util::rt::TokioExecutor;
    /// # use std::time::Duration;
    /// # use tower_canary::{probe::UrlPolicy, upstream::Client};
    /// let client: Client<Empty<bytes::Bytes>> =
    ///     Client::new(UrlPolicy::new(), TokioExecutor::new()).with_max_age(Duration::from_secs(60));
    /// ```
    pub fn with_max_age(self, age: Duration) -> Self {
        self.set(|settings| settings.max_age = age)
    }

    /// Sets how many idle HTTP/1.1 connections are kept for each backend and pool. Default: 1,024.
    ///
    /// ```
    /// # use http_body_util::Empty;
    /// # use hyper_util::rt::TokioExecutor;
    /// # use tower_canary::{probe::UrlPolicy, upstream::Client};
    /// let client: Client<Empty<bytes::Bytes>> =
    ///     Client::new(UrlPolicy::new(), TokioExecutor::new()).with_max_idle(32);
    /// ```
    pub fn with_max_idle(self, connections: usize) -> Self {
        self.set(|settings| settings.max_idle = connections)
    }

    /// Sets how many connections each backend and pool may have. Default: no limit.
    ///
    /// Beyond that, requests wait in the order they came, for each protocol, and for at most the
    /// [connect timeout](Self::with_connect_timeout). At least 1. A connection that was upgraded
    /// counts until its tunnel is set up.
    ///
    /// ```
    /// # use http_body_util::Empty;
    /// # use hyper_util::rt::TokioExecutor;
    /// # use tower_canary::{probe::UrlPolicy, upstream::Client};
    /// let client: Client<Empty<bytes::Bytes>> =
    ///     Client::new(UrlPolicy::new(), TokioExecutor::new()).with_max_connections(200);
    /// ```
    pub fn with_max_connections(self, connections: usize) -> Self {
        self.set(|settings| settings.max_connections = connections.max(1))
    }

    /// Sets when HTTP/2 is used. Default: [`Http2::ForGrpc`]. See [`Http2`] for an example.
    pub fn with_http2(self, http2: Http2) -> Self {
        self.set(|settings| settings.http2 = http2)
    }

    /// Sets the maximum size of a response head, and of trailers, in bytes. Default: 64 KiB.
    ///
    /// It holds for both protocols. A larger head fails its request, and larger trailers their body:
    /// [`Error::is_too_large`]. HTTP/1.1 reads through a buffer of this size, of at least 8 KiB.
    /// Over HTTP/2, a single field of 16 times this size is lost without an error, and a head of 64
    /// times this size ends the connection.
    ///
    /// ```
    /// # use http_body_util::Empty;
    /// # use hyper_util::rt::TokioExecutor;
    /// # use tower_canary::{probe::UrlPolicy, upstream::Client};
    /// let client: Client<Empty<bytes::Bytes>> =
    ///     Client::new(UrlPolicy::new(), TokioExecutor::new()).with_max_head_size(128 * 1024);
    /// ```
    pub fn with_max_head_size(self, bytes: usize) -> Self {
        self.set(|settings| settings.limits.size = bytes)
    }

    /// Sets the maximum number of header fields of a response, and of trailers. Default: 100. At most 24,576.
    ///
    /// Another number than 100 costs an allocation for each response over HTTP/1.1.
    ///
    /// ```
    /// # use http_body_util::Empty;
    /// # use hyper_util::rt::TokioExecutor;
    /// # use tower_canary::{probe::UrlPolicy, upstream::Client};
    /// let client: Client<Empty<bytes::Bytes>> =
    ///     Client::new(UrlPolicy::new(), TokioExecutor::new()).with_max_headers(200);
    /// ```
    pub fn with_max_headers(self, headers: usize) -> Self {
        self.set(|settings| settings.limits.headers = headers)
    }

    /// Sets the silence after which an HTTP/2 connection with requests is checked by PING, and the
    /// time for the answer. Default: 10 seconds each.
    ///
    /// Without an answer the connection is closed, and its requests fail with a timeout. New requests
    /// go to another connection as soon as the answer is one second late.
    ///
    /// ```
    /// # use http_body_util::Empty;
    /// # use hyper_util::rt::TokioExecutor;
    /// # use std::time::Duration;
    /// # use tower_canary::{probe::UrlPolicy, upstream::Client};
    /// let client: Client<Empty<bytes::Bytes>> = Client::new(UrlPolicy::new(), TokioExecutor::new())
    ///     .with_ping(Duration::from_secs(5), Duration::from_secs(2));
    /// ```
    pub fn with_ping(self, interval: Duration, timeout: Duration) -> Self {
        self.set(|settings| {
            settings.ping_interval = interval;
            settings.ping_timeout = timeout;
        })
    }

    /// Sets TLS to `https` backends. Default: none, and requests to `https` URLs fail.
    ///
    /// HTTP/2 and HTTP/1.1 are offered by ALPN, unless [`Http2::Never`] is set.
    ///
    /// ```
    /// # use http_body_util::Empty;
    /// # use hyper_util::rt::TokioExecutor;
    /// use tower_canary::probe::UrlPolicy;
    /// use tower_canary::upstream::{Client, ClientTls};
    ///
    /// # fn client(tls: ClientTls) -> Client<Empty<bytes::Bytes>> {
    /// Client::new(UrlPolicy::new().allow_https(), TokioExecutor::new()).with_tls(tls)
    /// # }
    /// ```
    #[cfg(feature = "client-tls")]
    pub fn with_tls(self, tls: ClientTls) -> Self {
        self.set(|settings| settings.connector = settings.connector.clone().with_tls(tls))
    }

    /// Creates a client with the same settings and a pool of its own. Call it once for each thread, so that no
    /// thread waits for another one.
    ///
    /// [`connections`](Self::connections) counts its connections, too.
    ///
    /// ```
    /// # use http_body_util::Empty;
    /// # use hyper_util::rt::TokioExecutor;
    /// # use tower_canary::{probe::UrlPolicy, upstream::Client};
    /// let client: Client<Empty<bytes::Bytes>> = Client::new(UrlPolicy::new(), TokioExecutor::new());
    /// let threads: Vec<_> = (0..4).map(|_| client.with_own_pool()).collect();
    /// ```
    pub fn with_own_pool(&self) -> Self {
        Self::with_pool(Arc::clone(&self.handle.pool.settings), Arc::clone(&self.handle.shared))
    }

    /// Returns the connections of each backend, over all pools of this client, ordered by URL.
    ///
    /// They are counted when this is called, so a request costs nothing more. See
    /// [`BackendConnections`] for an example.
    #[must_use]
    pub fn connections(&self) -> Vec<BackendConnections> {
        self.handle.shared.pools.connections()
    }

    /// Sets the gauges `canary_upstream_connections`, with the labels `backend` and `state`.
    ///
    /// Call it when metrics are read. The states are `idle` and `in_use`, see
    /// [`BackendConnections`]. The gauges of a backend that was forgotten are set to 0.
    ///
    /// ```
    /// # use http_body_util::Empty;
    /// # use hyper_util::rt::TokioExecutor;
    /// # use tower_canary::{probe::UrlPolicy, upstream::Client};
    /// let client: Client<Empty<bytes::Bytes>> = Client::new(UrlPolicy::new(), TokioExecutor::new());
    /// // In the handler of /metrics:
    /// client.publish_metrics();
    /// ```
    #[cfg(feature = "metrics")]
    pub fn publish_metrics(&self) {
        self.handle.shared.published.publish(&self.connections());
    }
}

impl<B> Service<Request<B>> for Client<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        match self.handle.pool.backend(request.uri()) {
            Ok(backend) => ResponseFuture::new(send(backend, request)),
            Err(error) => ResponseFuture::new(ready(Err(error))),
        }
    }
}

/// Shares the pool.
impl<B> Clone for Client<B> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle) }
    }
}

impl<B> fmt::Debug for Client<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("pool", &self.handle.pool).finish_non_exhaustive()
    }
}

impl<B> Drop for Handle<B> {
    fn drop(&mut self) {
        self.pool.close();
    }
}
