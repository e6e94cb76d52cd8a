//! A connector that applies the policy at the moment of connecting.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::policy::UrlPolicy;
use super::resolver::{Forbidden, GuardedResolver};
use super::stream::GuardedStream;
use crate::common::error::BoxError;

/// A boxed future of a connection.
type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// A connector for hyper-util's `Client` that connects only where a [`UrlPolicy`] allows.
///
/// [`UrlPolicy::connector`] creates it. It checks an address in the URL, and each address that a
/// name resolves to. So a name that was harmless when it was registered gains nothing by resolving
/// to another address later (DNS rebinding).
///
/// An early response to an upload is delivered although the backend reads no further: see
/// [`GuardedStream`].
///
/// It tries the addresses of a name in turn, and the other address family after 300 ms (happy
/// eyeballs, RFC 8305). Three options notice a backend that vanished, which would otherwise hold a
/// tunnel forever:
///
/// | option | value |
/// | --- | --- |
/// | `TCP_NODELAY` | on |
/// | TCP keepalive | an idle connection is probed after 60 seconds and then every 15 |
/// | `TCP_USER_TIMEOUT` (Linux) | 30 seconds without progress while data waits to be received |
///
/// The last one also ends a connection to a backend that lives and takes no byte for so long.
///
/// ```
/// use hyper_util::client::legacy::Client;
/// use hyper_util::rt::TokioExecutor;
/// use tower_canary::probe::UrlPolicy;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let client = Client::builder(TokioExecutor::new())
///     .build::<_, http_body_util::Empty<bytes::Bytes>>(UrlPolicy::new().connector());
/// assert!(client.get("http://169.254.169.254/latest".parse()?).await.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct GuardedConnector(TcpConnector<GaiResolver>);

/// [`GuardedConnector`] with any resolver.
#[derive(Clone)]
struct TcpConnector<R> {
    policy: UrlPolicy,
    http: HttpConnector<GuardedResolver<R>>,
    /// The time until a connection is established. `None`: the limit of the system.
    limit: Option<Duration>,
}

/// The future of [`GuardedConnector`]. It resolves to a TCP connection.
///
/// See [`GuardedConnector`] for an example.
#[must_use = "futures do nothing unless polled"]
pub struct Connecting(BoxFuture<TokioIo<GuardedStream>>);

/// Time without a byte after which TCP checks that the backend still exists. Without the check, a
/// backend that vanished would hold a tunnel forever.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// The maximum time for which sent data stays without an acknowledgement. Keepalive does not act while data waits.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const USER_TIMEOUT: Duration = Duration::from_secs(30);

// === impl UrlPolicy ===

// Here and not in `policy`: the connector depends on the policy, not the other way round.
impl UrlPolicy {
    /// Returns a connector that applies the policy at the moment of connecting.
    ///
    /// It refuses an address in the URL that the policy denies, and a name without an address that
    /// it allows. See [`GuardedConnector`] for an example.
    pub fn connector(&self) -> GuardedConnector {
        GuardedConnector::new(*self)
    }
}

// === impl GuardedConnector ===

impl GuardedConnector {
    /// Creates a connector with the resolver of the system.
    fn new(policy: UrlPolicy) -> Self {
        Self(TcpConnector::new(policy, GaiResolver::new()))
    }

    /// Accepts `https` URLs too, for a connector that adds TLS around this one.
    ///
    /// Without TLS around it, requests to `https` URLs would be sent in plain text. So the default
    /// is to refuse them.
    ///
    /// ```
    /// use tower_canary::probe::UrlPolicy;
    ///
    /// // For `HttpsConnectorBuilder::wrap_connector` of hyper-rustls.
    /// let tcp = UrlPolicy::new().connector().allow_https();
    /// ```
    pub fn allow_https(mut self) -> Self {
        self.0.http.enforce_http(false);
        self
    }

    /// Sets the maximum time until a connection is established. Default: the limit of the system.
    ///
    /// It covers the resolution of a name, and the addresses of the name share it evenly. When it
    /// expires, the error is an [`io::Error`] of kind `TimedOut`, which the proxy turns into 504.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_canary::probe::UrlPolicy;
    ///
    /// let connector = UrlPolicy::new().connector().with_connect_timeout(Duration::from_secs(3));
    /// ```
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.0.http.set_connect_timeout(Some(timeout));
        self.0.limit = Some(timeout);
        self
    }
}

impl Service<Uri> for GuardedConnector {
    type Response = TokioIo<GuardedStream>;
    type Error = BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        self.0.call(uri)
    }
}

impl fmt::Debug for GuardedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedConnector").field("policy", &self.0.policy).finish_non_exhaustive()
    }
}

// === impl TcpConnector ===

impl<R> TcpConnector<R> {
    /// Creates the connector. The policy judges each address that the resolver returns, so a name that
    /// changes its address is judged again.
    fn new(policy: UrlPolicy, resolver: R) -> Self {
        let mut http = HttpConnector::new_with_resolver(GuardedResolver { policy, inner: resolver });
        http.set_nodelay(true);
        http.set_keepalive(Some(KEEPALIVE));
        http.set_keepalive_interval(Some(KEEPALIVE / 4));
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        http.set_tcp_user_timeout(Some(USER_TIMEOUT));
        Self { policy, http, limit: None }
    }
}

impl<R> Service<Uri> for TcpConnector<R>
where
    R: Service<Name, Response: Iterator<Item = SocketAddr>, Error: Into<BoxError>, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
{
    type Response = TokioIo<GuardedStream>;
    type Error = BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        // The TCP connector uses its resolver only for names, so an address in the URL is checked here. A URI without a
        // host is refused as an invalid host.
        if let Err(reason) = self.policy.check_host(uri.host().unwrap_or_default()) {
            return Connecting(Box::pin(async move { Err(Forbidden(reason).into()) }));
        }
        Connecting(Box::pin(guard(self.http.call(uri), self.limit)))
    }
}

/// Waits for a connection within `limit`, the resolution of its name included, and wraps it in a [`GuardedStream`].
async fn guard<E: Into<BoxError>>(
    connecting: impl Future<Output = Result<TokioIo<TcpStream>, E>>,
    limit: Option<Duration>,
) -> Result<TokioIo<GuardedStream>, BoxError> {
    let connected = match limit {
        Some(limit) => timeout(limit, connecting).await.map_err(io::Error::from)?,
        None => connecting.await,
    };
    let stream = connected.map_err(Into::into)?.into_inner();
    Ok(TokioIo::new(GuardedStream::new(stream)))
}

// === impl Connecting ===

impl Future for Connecting {
    type Output = Result<TokioIo<GuardedStream>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind};
    use std::net::SocketAddr;
    use std::time::Duration;

    use hyper_util::client::legacy::connect::dns::Name;
    use tokio::net::TcpListener;
    use tokio::time::{Instant, sleep};
    use tower::{ServiceExt, service_fn};

    use super::TcpConnector;
    use crate::common::error::BoxError;
    use crate::probe::UrlPolicy;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// Connects to a name that resolves to 127.0.0.1, where a listener accepts connections.
    async fn connect_by_name(policy: UrlPolicy) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner =
            service_fn(|_: Name| async { Ok::<_, BoxError>(addresses(&["127.0.0.1:0"]).into_iter()) });
        let tcp = TcpConnector::new(policy, inner);
        let uri = format!("http://rebound.example:{}", listener.local_addr().unwrap().port());
        tcp.oneshot(uri.parse().unwrap()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn limit_covers_name_resolution() {
        let limit = Duration::from_secs(3);
        let resolver = service_fn(|_: Name| async {
            sleep(Duration::from_secs(10)).await;
            Ok::<_, BoxError>(addresses(&["127.0.0.1:0"]).into_iter())
        });
        let mut tcp = TcpConnector::new(UrlPolicy::new().allow_loopback(), resolver);
        tcp.limit = Some(limit);
        let started = Instant::now();
        let error = tcp.oneshot("http://slow.example:80".parse().unwrap()).await.unwrap_err();
        assert_eq!(started.elapsed(), limit);
        assert_eq!(error.downcast_ref().map(io::Error::kind), Some(ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn dns_rebinding_is_blocked() {
        assert!(!connect_by_name(UrlPolicy::new()).await);
        assert!(connect_by_name(UrlPolicy::new().allow_loopback()).await);
    }

    #[tokio::test]
    async fn url_host_is_checked_at_connect() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "localhost"] {
            let uri: http::Uri = format!("http://{host}:{port}").parse().unwrap();
            assert!(UrlPolicy::new().connector().oneshot(uri.clone()).await.is_err(), "{host}");
            let connected = UrlPolicy::new().allow_loopback().connector().oneshot(uri).await;
            assert!(connected.is_ok(), "{host}: {connected:?}");
        }
    }
}
