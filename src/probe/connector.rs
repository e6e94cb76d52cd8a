//! A connector that asks the policy once more.

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

/// Connects to where a [`UrlPolicy`] allows, for a client of hyper-util. Made by [`UrlPolicy::connector`].
///
/// Addresses in a URL are judged before the connection is made, and so is each address that a name resolves to, so a
/// name that was harmless when it was registered gains nothing by pointing elsewhere later. `TCP_NODELAY` is set.
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

/// The future of [`GuardedConnector`].
#[must_use = "futures do nothing unless polled"]
pub struct Connecting(BoxFuture<TokioIo<TcpStream>, BoxError>);

/// The policy does not allow the connection.
#[derive(Debug, Error)]
#[error("the address may not be reached: {0}")]
pub(super) struct Forbidden(&'static str);

/// A name could not be resolved.
#[derive(Debug, Error)]
#[error("the name cannot be resolved")]
pub(super) struct Unresolved(#[source] BoxError);

/// After so long without a byte it is looked whether a backend is still there: one that vanished would hold a tunnel for
/// ever.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Leaves out the addresses that the policy denies.
#[derive(Clone, Debug)]
struct GuardedResolver<R> {
    policy: UrlPolicy,
    inner: R,
}

// === impl UrlPolicy ===

// Here and not in `policy`: the connector depends on the policy, not the other way round.
impl UrlPolicy {
    /// A connector that refuses, at the moment of connecting, what the policy denies: as an address in the URL, and as
    /// what a name resolves to.
    pub fn connector(&self) -> GuardedConnector {
        GuardedConnector::new(*self)
    }
}

// === impl GuardedConnector ===

impl GuardedConnector {
    pub(super) fn new(policy: UrlPolicy) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(GuardedResolver { policy, inner: GaiResolver::new() });
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE / 4));
        Self { policy, tcp }
    }

    /// Takes `https` URLs too: for a connector above that adds TLS. On its own it would send them in the clear, so
    /// without this it refuses them.
    pub fn allow_https(mut self) -> Self {
        self.tcp.enforce_http(false);
        self
    }

    /// Gives up after `limit`, which the addresses of a name share evenly. By default there is no limit but the system's.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_canary::probe::UrlPolicy;
    ///
    /// let connector = UrlPolicy::new().connector().with_connect_timeout(Duration::from_secs(3));
    /// ```
    pub fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.tcp.set_connect_timeout(Some(limit));
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
        // The TCP connector asks its resolver only for names, so an address in the URL is judged here.
        if let Err(why) = self.policy.check_host(uri.host().unwrap_or_default()) {
            return Connecting(Box::pin(async move { Err(Forbidden(why).into()) }));
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
        let (policy, resolving) = (self.policy, self.inner.call(name));
        Box::pin(async move {
            let found = resolving.await.map_err(|error| Unresolved(error.into()))?;
            allowed(policy, found).map(Vec::into_iter).map_err(Into::into)
        })
    }
}

/// Those of the addresses that may be reached; an error when there are none.
fn allowed(policy: UrlPolicy, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Forbidden> {
    let mut refused = "the name has no address";
    let mut may_be_reached =
        |address: &SocketAddr| policy.check_address(address.ip()).inspect_err(|why| refused = why).is_ok();
    let allowed: Vec<_> = found.filter(&mut may_be_reached).collect();
    if allowed.is_empty() { Err(Forbidden(refused)) } else { Ok(allowed) }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use hyper_util::client::legacy::connect::HttpConnector;
    use hyper_util::client::legacy::connect::dns::Name;
    use tokio::net::TcpListener;
    use tower::{ServiceExt, service_fn};

    use super::{GuardedResolver, allowed};
    use crate::common::error::BoxError;
    use crate::probe::UrlPolicy;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_allowed_addresses_of_a_name_are_left() {
        let found =
            addresses(&["169.254.169.254:80", "10.0.0.1:80", "[::ffff:169.254.169.254]:80", "[::1]:80"]);
        let left = allowed(UrlPolicy::new(), found.into_iter()).unwrap();
        assert_eq!(left, addresses(&["10.0.0.1:80"]));
    }

    /// Connects to a name that resolves to 127.0.0.1, where somebody listens.
    async fn connect_by_name(policy: UrlPolicy) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner =
            service_fn(|_: Name| async { Ok::<_, BoxError>(addresses(&["127.0.0.1:0"]).into_iter()) });
        let tcp = HttpConnector::new_with_resolver(GuardedResolver { policy, inner });
        let uri = format!("http://rebound.example:{}", listener.local_addr().unwrap().port());
        tcp.oneshot(uri.parse().unwrap()).await.is_ok()
    }

    #[tokio::test]
    async fn a_name_that_resolves_elsewhere_by_now_is_not_connected_to() {
        assert!(!connect_by_name(UrlPolicy::new()).await);
        assert!(connect_by_name(UrlPolicy::new().allow_loopback()).await);
    }

    #[tokio::test]
    async fn an_address_in_the_url_is_judged_at_connect_too() {
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
