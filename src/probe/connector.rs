//! A connector that applies the policy at the moment of connecting.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tower_service::Service;

use super::policy::UrlPolicy;
use crate::common::error::BoxError;

type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// A connector for hyper-util's `Client` that connects only where a [`UrlPolicy`] allows.
///
/// [`UrlPolicy::connector`] creates it. It checks an address in the URL, and each address that a
/// name resolves to. So a name that was harmless when it was registered gains nothing by resolving
/// to another address later (DNS rebinding).
///
/// It sets `TCP_NODELAY`, and TCP keepalive: an idle connection is probed after 60 seconds and then
/// every 15, so that a backend that vanished does not hold a tunnel forever.
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
pub struct GuardedConnector {
    policy: UrlPolicy,
    tcp: HttpConnector<GuardedResolver<GaiResolver>>,
}

/// The future of [`GuardedConnector`]. It resolves to a TCP connection.
///
/// See [`GuardedConnector`] for an example.
#[must_use = "futures do nothing unless polled"]
pub struct Connecting(BoxFuture<TokioIo<TcpStream>, BoxError>);

/// The policy denies the connection, for the reason inside.
#[derive(Debug, Error)]
#[error("the address may not be reached: {0}")]
pub(super) struct Forbidden(&'static str);

/// A name could not be resolved.
#[derive(Debug, Error)]
#[error("the name cannot be resolved")]
pub(super) struct Unresolved(#[source] BoxError);

/// Time without a byte after which TCP checks that the backend still exists. Without the check, a
/// backend that vanished would hold a tunnel forever.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A resolver that drops the addresses that the policy denies.
#[derive(Clone, Debug)]
struct GuardedResolver<R> {
    policy: UrlPolicy,
    inner: R,
}

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
    fn new(policy: UrlPolicy) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(GuardedResolver { policy, inner: GaiResolver::new() });
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE / 4));
        Self { policy, tcp }
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
        self.tcp.enforce_http(false);
        self
    }

    /// Sets the maximum time until a connection is established. Default: the limit of the system.
    ///
    /// The addresses of a name share the time evenly. When it expires, the error is an
    /// [`io::Error`](std::io::Error) of kind `TimedOut`, which the
    /// proxy turns into 504.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_canary::probe::UrlPolicy;
    ///
    /// let connector = UrlPolicy::new().connector().with_connect_timeout(Duration::from_secs(3));
    /// ```
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.tcp.set_connect_timeout(Some(timeout));
        self
    }
}

impl Service<Uri> for GuardedConnector {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        // The TCP connector uses its resolver only for names, so an address in the URL is checked here. A URI without a
        // host is refused as an invalid host.
        if let Err(reason) = self.policy.check_host(uri.host().unwrap_or_default()) {
            return Connecting(Box::pin(async move { Err(Forbidden(reason).into()) }));
        }
        let connecting = self.tcp.call(uri);
        Connecting(Box::pin(async { connecting.await.map_err(Into::into) }))
    }
}

impl fmt::Debug for GuardedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedConnector").field("policy", &self.policy).finish_non_exhaustive()
    }
}

// === impl Connecting ===

impl Future for Connecting {
    type Output = Result<TokioIo<TcpStream>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").finish_non_exhaustive()
    }
}

// === impl GuardedResolver ===

impl<R> Service<Name> for GuardedResolver<R>
where
    R: Service<Name>,
    R::Response: Iterator<Item = SocketAddr>,
    R::Error: Into<BoxError>,
    R::Future: Send + 'static,
{
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let policy = self.policy;
        let resolving = self.inner.call(name);
        Box::pin(async move {
            let resolved = resolving.await.map_err(|error| Unresolved(error.into()))?;
            retain_allowed(policy, resolved).map(Vec::into_iter).map_err(Into::into)
        })
    }
}

/// Returns the addresses that the policy allows, or the reason against the last one if all are denied.
fn retain_allowed(
    policy: UrlPolicy,
    resolved: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, Forbidden> {
    let mut allowed = Vec::new();
    let mut reason = "the name has no address";
    for address in resolved {
        match policy.check_address(address.ip()) {
            Ok(()) => allowed.push(address),
            Err(denied) => reason = denied,
        }
    }
    if allowed.is_empty() { Err(Forbidden(reason)) } else { Ok(allowed) }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use hyper_util::client::legacy::connect::HttpConnector;
    use hyper_util::client::legacy::connect::dns::Name;
    use tokio::net::TcpListener;
    use tower::{ServiceExt, service_fn};

    use super::{GuardedResolver, retain_allowed};
    use crate::common::error::BoxError;
    use crate::probe::UrlPolicy;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn denied_addresses_are_dropped() {
        let found =
            addresses(&["169.254.169.254:80", "10.0.0.1:80", "[::ffff:169.254.169.254]:80", "[::1]:80"]);
        let left = retain_allowed(UrlPolicy::new(), found.into_iter()).unwrap();
        assert_eq!(left, addresses(&["10.0.0.1:80"]));
    }

    /// Connects to a name that resolves to 127.0.0.1, where a listener accepts connections.
    async fn connect_by_name(policy: UrlPolicy) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner =
            service_fn(|_: Name| async { Ok::<_, BoxError>(addresses(&["127.0.0.1:0"]).into_iter()) });
        let tcp = HttpConnector::new_with_resolver(GuardedResolver { policy, inner });
        let uri = format!("http://rebound.example:{}", listener.local_addr().unwrap().port());
        tcp.oneshot(uri.parse().unwrap()).await.is_ok()
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
