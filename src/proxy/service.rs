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
use super::future::{ResponseFuture, Sent};
use super::headers::Found;
use super::origin;
use super::settings::Settings;
use super::upgrade::Bridge;
use super::via::{InvalidViaName, Via};
use crate::common::accessors::define_inner_service_accessors;
use crate::common::grpc::is_grpc;
use crate::common::problem::Problem;
use crate::layer::ResponseBody;

/// A reverse proxy around a client service. See the [module docs](super).
///
/// Clones share their settings. It never fails: what cannot be answered by a backend is answered with a problem document.
#[must_use]
pub struct Proxy<S> {
    inner: S,
    settings: Arc<Settings>,
    /// What to answer the next request, where the client could not be made ready.
    broken: Option<&'static Problem>,
}

impl<S> Proxy<S> {
    /// A proxy that sends requests on by `client`, which is to find out where to: a
    /// [`WeightedVersion`](crate::WeightedVersion) around hyper-util's `Client`, say.
    pub fn new(client: S) -> Self {
        Self { inner: client, settings: Arc::new(Settings::new()), broken: None }
    }

    /// Lets clients upgrade to WebSockets and other protocols, by futures that `executor` runs: one per tunnel, until
    /// both sides have closed it. hyper-util's `TokioExecutor` spawns them; one of the host's own may count them, to
    /// wait for them at its end, or drop those that stay too long.
    ///
    /// Default: upgrades reach the backend as plain requests.
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

    /// How long a backend may take to the head of its answer, from when the request came or its body last moved by 16 KiB,
    /// of gRPC by anything, or ended. After that the answer is 504, or 408 where the client owes the rest of the body.
    /// Default: 60 seconds. A gRPC server may keep the head back until the first message of a stream, and a long poll its
    /// whole answer: give those more. After the head an answer may take as long as it likes, and so may the client of a
    /// gRPC stream; any other upload that is answered before its end is given up when the client stalls it for as long.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_canary::proxy::Proxy;
    ///
    /// # let client = ();
    /// let proxy = Proxy::new(client).with_response_timeout(Duration::from_secs(300));
    /// ```
    pub fn with_response_timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.response_timeout = limit)
    }

    /// Whose `X-Forwarded-*` and `Forwarded` headers are believed: those of peers, and of addresses told by such, for
    /// which `trusted` is true. Default: nobody's.
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
        self.set(|settings| settings.origin.trusted = Some(Arc::new(trusted)))
    }

    /// The protocol that clients come by, for `X-Forwarded-Proto`. Default: `http`.
    ///
    /// ```
    /// # use tower_canary::proxy::Proxy;
    /// # let client = ();
    /// let behind_our_own_tls = Proxy::new(client).with_scheme(&http::uri::Scheme::HTTPS);
    /// ```
    pub fn with_scheme(self, scheme: &Scheme) -> Self {
        self.set(|settings| settings.origin.protocol = origin::protocol(scheme))
    }

    /// What the proxy is called in `Via`. Requests that came by one of this name are answered 508, so no two in a row may
    /// share it. Default: one that is drawn here and now.
    ///
    /// # Errors
    ///
    /// The name is no token.
    ///
    /// ```
    /// use tower_canary::proxy::Proxy;
    ///
    /// assert!(Proxy::new(()).with_via("gateway-1").is_ok());
    /// assert!(Proxy::new(()).with_via("gateway 1").is_err());
    /// ```
    pub fn with_via(self, name: &str) -> Result<Self, InvalidViaName> {
        let via = Via::named(name)?;
        Ok(self.set(|settings| settings.origin.via = via))
    }

    define_inner_service_accessors!();

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
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
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx).map(|ready| {
            self.broken = ready.err().map(|error| self.settings.no_answer(&*error.into()));
            Ok(())
        })
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let found = Found::among(&head.headers);
        let grpc = found.content_type && is_grpc(&head.headers);
        let prepared = match self.broken.take() {
            Some(problem) => Err(problem),
            None => self.settings.prepare(&mut head, found, !body.is_end_stream()),
        };
        let handshake = match prepared {
            Ok(handshake) => handshake,
            Err(problem) => return ResponseFuture::refused(problem, grpc),
        };
        let (body, progress) = RequestBody::new(body, grpc, self.settings.response_timeout);
        head.extensions.insert(progress.outcome().clone());
        let sent = Sent { progress, settings: Arc::clone(&self.settings), handshake };
        ResponseFuture::sent(self.inner.call(Request::from_parts(head, body)), sent, grpc)
    }
}

/// A clone is not ready because the proxy that it is of was, nor broken.
impl<S: Clone> Clone for Proxy<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), settings: Arc::clone(&self.settings), broken: None }
    }
}

impl<S: fmt::Debug> fmt::Debug for Proxy<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { response_timeout, origin, upgrades, .. } = &*self.settings;
        f.debug_struct("Proxy")
            .field("inner", &self.inner)
            .field("response_timeout", response_timeout)
            .field("origin", origin)
            .field("upgrades", &upgrades.is_some())
            .finish()
    }
}
