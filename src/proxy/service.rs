use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::Scheme;
use http::{Request, Response};
use http_body::Body;
use hyper::rt::Executor;
use tower_service::Service;

use super::body::RequestBody;
use super::forwarding::scheme_value;
use super::future::{ProxyFuture, Sent};
use super::progress::RequestProgress;
use super::scan::HeaderScan;
use super::settings::ProxySettings;
use super::upgrade::Bridge;
use super::via::{InvalidViaName, Via};
use crate::common::accessors::define_inner_service_accessors;
use crate::common::grpc::is_grpc;
use crate::common::problem::StaticProblem;
use crate::layer::ResponseBody;

/// A reverse proxy around a client service. See the [module docs](super) for what it does on the wire.
///
/// `S` is a service that sends requests, most often a [`WeightedVersion`](crate::WeightedVersion)
/// around hyper-util's `Client`. The proxy never fails: when there is no response from a backend,
/// it responds with a problem document.
///
/// ```
/// use hyper_util::client::legacy::{Client, connect::HttpConnector};
/// use hyper_util::rt::TokioExecutor;
/// use std::time::Duration;
/// use tower::Layer;
/// use tower_canary::proxy::Proxy;
/// use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
///
/// let layer = WeightedVersionLayer::new(&RoutingHandle::new(), Target::path_segment());
/// let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
/// let proxy = Proxy::new(layer.layer(client))
///     .with_upgrades(TokioExecutor::new())
///     .with_response_timeout(Duration::from_secs(10))
///     .with_trusted_proxies(|address| address.is_loopback());
/// let app: axum::Router = axum::Router::new().fallback_service(proxy);
/// ```
#[must_use]
pub struct Proxy<S> {
    inner: S,
    settings: Arc<ProxySettings>,
    /// The response to the next request, after the client failed to become ready.
    unready: Option<&'static StaticProblem>,
}

impl<S> Proxy<S> {
    /// Creates a proxy that sends requests by `client`, with the defaults of each `with_*` method.
    ///
    /// The client decides where a request goes. See [`Proxy`] for an example.
    pub fn new(client: S) -> Self {
        Self { inner: client, settings: Arc::new(ProxySettings::new()), unready: None }
    }

    /// Enables upgrades to WebSockets and other protocols.
    ///
    /// Each tunnel is a future, which `executor` runs until both sides have closed it. hyper-util's
    /// `TokioExecutor` spawns it. An executor of your own can count tunnels, wait for them at
    /// shutdown, or drop those that stay too long. See [upgrades](super#upgrades) for the rules.
    ///
    /// Default: disabled. Requests that ask for an upgrade reach the backend as plain requests.
    ///
    /// ```
    /// use hyper_util::rt::TokioExecutor;
    /// use tower_canary::proxy::Proxy;
    ///
    /// # let client = ();
    /// let proxy = Proxy::new(client).with_upgrades(TokioExecutor::new());
    /// ```
    pub fn with_upgrades(self, executor: impl Executor<Bridge> + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.upgrades = Some(Arc::new(executor)))
    }

    /// Sets the maximum time until the response head arrives. Default: 60 seconds.
    ///
    /// - The timer starts when the request arrives. It restarts with every 16 KiB of the request
    ///   body and at its end, so a long upload does not time out while it makes progress. For gRPC
    ///   it restarts with every message.
    /// - When it expires, the response is 504 `gateway-timeout`, and the request counts as an error
    ///   of its version. If the backend waits for the rest of the request body, the response is 408
    ///   `request-timeout`, and the request counts as cancelled.
    /// - There is no limit on the response body.
    /// - An upload that continues after the response head is aborted if the client stalls it for
    ///   this time. gRPC streams are exempt.
    /// - All attempts of a retry or failover below the proxy share the time.
    ///
    /// Long polls, and gRPC servers that send the head with the first message, need a longer time.
    /// `Duration::MAX` disables the timeout. If your server has a timeout of its own, see
    /// [place in a stack](super#place-in-a-stack).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_canary::proxy::Proxy;
    ///
    /// # let client = ();
    /// let proxy = Proxy::new(client).with_response_timeout(Duration::from_secs(300));
    /// ```
    pub fn with_response_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.response_timeout = timeout)
    }

    /// Recognizes timeouts among the errors of the client: they become 504 instead of 502.
    ///
    /// `is_timeout` is called with an error of the client and each of its sources, unless the error
    /// is a timeout that the proxy knows: an [`io::Error`](std::io::Error) of kind `TimedOut`,
    /// hyper's, or the `Elapsed` of tower or tokio. Clients with an error type of their own, such
    /// as reqwest, need this.
    ///
    /// Default: none beyond those.
    ///
    /// ```
    /// use tower_canary::proxy::Proxy;
    ///
    /// # let client = ();
    /// let proxy = Proxy::new(client).with_timeout_check(|error| {
    ///     error.downcast_ref().is_some_and(reqwest::Error::is_timeout)
    /// });
    /// ```
    pub fn with_timeout_check(
        self,
        is_timeout: impl Fn(&(dyn Error + 'static)) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.timeout_check = Some(Arc::new(is_timeout)))
    }

    /// Trusts `X-Forwarded-*` and `Forwarded` from peers for which `trusted` returns true.
    ///
    /// In `X-Forwarded-For`, addresses are read from the right until one is not trusted: that is
    /// the client. See [client address](super#client-address).
    ///
    /// Default: no peer is trusted, and the headers are replaced.
    ///
    /// ```
    /// use std::net::IpAddr;
    /// use tower_canary::proxy::Proxy;
    ///
    /// # let client = ();
    /// let proxy = Proxy::new(client).with_trusted_proxies(|address| match address {
    ///     IpAddr::V4(address) => address.is_private(),
    ///     IpAddr::V6(_) => false,
    /// });
    /// ```
    pub fn with_trusted_proxies(self, trusted: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.forwarding.trusted = Some(Arc::new(trusted)))
    }

    /// Sets the scheme that clients use, for `X-Forwarded-Proto`. Default: `http`.
    ///
    /// ```
    /// # use tower_canary::proxy::Proxy;
    /// # let client = ();
    /// // The server in front of this service terminates TLS.
    /// let proxy = Proxy::new(client).with_scheme(&http::uri::Scheme::HTTPS);
    /// ```
    pub fn with_scheme(self, scheme: &Scheme) -> Self {
        self.set(|settings| settings.forwarding.scheme = scheme_value(scheme))
    }

    /// Sets the name of the proxy in `Via`, by which it detects loops.
    ///
    /// A request that passed a proxy of this name before gets 508 `loop-detected`. So two proxies
    /// in a row need different names, and all threads or replicas of one gateway may share one.
    ///
    /// Default: a random name for each [`Proxy::new`].
    ///
    /// # Errors
    ///
    /// [`InvalidViaName`] if the name is not a token (RFC 9110, 5.6.2): it is empty, or has spaces
    /// or other separators.
    ///
    /// ```
    /// use tower_canary::proxy::Proxy;
    ///
    /// assert!(Proxy::new(()).with_via("gateway-1").is_ok());
    /// assert!(Proxy::new(()).with_via("gateway 1").is_err());
    /// ```
    pub fn with_via(self, name: &str) -> Result<Self, InvalidViaName> {
        let via = Via::new(name)?;
        Ok(self.set(|settings| settings.forwarding.via = via))
    }

    define_inner_service_accessors!();

    fn set(mut self, set: impl FnOnce(&mut ProxySettings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S, B, R> Service<Request<B>> for Proxy<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = Infallible;
    type Future = ProxyFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx).map(|ready| {
            self.unready = ready.err().map(|error| self.settings.client_failed(&*error.into()));
            Ok(())
        })
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let scan = HeaderScan::new(&head.headers);
        let is_grpc = scan.content_type && is_grpc(&head.headers);
        let has_body = !body.is_end_stream();
        let prepared = match self.unready.take() {
            Some(problem) => Err(problem),
            None => self.settings.prepare(&mut head, scan, has_body),
        };
        let handshake = match prepared {
            Ok(handshake) => handshake,
            Err(problem) => return ProxyFuture::rejected(problem, is_grpc),
        };
        let progress = RequestProgress::new(has_body, is_grpc, self.settings.response_timeout);
        head.extensions.insert(progress.outcome().clone());
        let body = RequestBody::new(body, progress.clone());
        let sent = Sent { progress, settings: Arc::clone(&self.settings), handshake };
        ProxyFuture::sent(self.inner.call(Request::from_parts(head, body)), sent, is_grpc)
    }
}

/// Clones the client and shares the settings.
///
/// Readiness is not cloned: poll the clone before you call it. Neither is the client's failure to
/// become ready, which only the next response of the original reports.
impl<S: Clone> Clone for Proxy<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), settings: Arc::clone(&self.settings), unready: None }
    }
}

impl<S: fmt::Debug> fmt::Debug for Proxy<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("inner", &self.inner)
            .field("response_timeout", &self.settings.response_timeout)
            .field("forwarding", &self.settings.forwarding)
            .field("upgrades", &self.settings.upgrades.is_some())
            .finish_non_exhaustive()
    }
}
