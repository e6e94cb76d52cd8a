//! The settings of a proxy as its users set them.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use hyper::rt::Executor;

use super::client_address::AddressHeader;
use super::forwarding::scheme_value;
use super::service::Proxy;
use super::tunnel::Bridge;
use super::via::{InvalidViaName, Via};
use super::watch::{BodyWatch, IdleLimit};

impl<S> Proxy<S> {
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
    /// - There is no limit on the response body: see [`with_body_idle_timeout`](Self::with_body_idle_timeout).
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
        Ok(self.set(|settings| settings.forwarding.via = Some(via)))
    }

    /// Stops sending `Via`, and with it the detection of loops.
    ///
    /// Some backends treat requests with `Via` differently: NGINX compresses no response to them unless it has
    /// `gzip_proxied any`. A proxy must send `Via` by RFC 9110 (7.6.3), so change the backend if you can. Without it, a
    /// version whose URL leads back to this gateway is an endless loop.
    ///
    /// ```
    /// use tower_canary::proxy::Proxy;
    ///
    /// let proxy = Proxy::new(()).without_via();
    /// ```
    pub fn without_via(self) -> Self {
        self.set(|settings| settings.forwarding.via = None)
    }

    /// Sets the header in which trusted proxies report the address of the client. Default: `X-Forwarded-For`.
    ///
    /// Choose the one that your trusted proxies overwrite or extend. See [`AddressHeader`] for an example.
    pub fn with_address_header(self, header: AddressHeader) -> Self {
        self.set(|settings| settings.forwarding.address_header = header)
    }

    /// Maps the URLs in responses from the backend's to the client's.
    ///
    /// It maps `Location`, `Content-Location`, `Refresh` and the `Path` of cookies. A URL that begins with
    /// the base URL of the version, or with its path, is mapped to a path with the prefix that was cut from the request. For
    /// `/auth/app`, sent to a version at `http://10.0.0.1:8080/base` as `/base/app`:
    ///
    /// | response of the backend | for the client |
    /// | --- | --- |
    /// | `Location: http://10.0.0.1:8080/base/login` | `/auth/login` |
    /// | `Location: /base/login` | `/auth/login` |
    /// | `Set-Cookie: a=b; Path=/base` | `Path=/auth` |
    /// | a path that begins with `/auth`, other hosts, relative paths | unchanged |
    ///
    /// It has no effect under [`HostPolicy::Preserve`](crate::layer::HostPolicy::Preserve), where the backend knows the
    /// host. Bodies and the `Domain` of cookies are never changed.
    ///
    /// Default: disabled. Backends get the prefix as `X-Forwarded-Prefix`, and many can use it. If enabled, it costs some
    /// allocations per request.
    ///
    /// ```
    /// use tower_canary::proxy::Proxy;
    ///
    /// # let client = ();
    /// let proxy = Proxy::new(client).with_redirect_rewriting();
    /// ```
    pub fn with_redirect_rewriting(self) -> Self {
        self.set(|settings| settings.rewrites_redirects = true)
    }

    /// Ends an exchange in which no frame of the request or response body moves for `limit`, after the response head.
    ///
    /// A frame moves when the server takes it from the response body, or the client from the request body. So the limit
    /// finds backends that stop sending or reading, and clients that stop sending or reading. A movement in one direction
    /// is enough: an upload keeps an early response alive. When it expires, both bodies are dropped: the version is no
    /// longer in flight, and the connection to the backend closes. The client sees a broken response. The request counts as
    /// an error if the server waited for the backend, else as cancelled.
    ///
    /// - A client that stops reading holds its connection to your server. For HTTP/1.1, close it by a limit on writes.
    /// - Events and gRPC streams that rest for longer need a longer limit, or messages that keep them alive.
    /// - Until the response head, the [response timeout](Self::with_response_timeout) applies. Tunnels have
    ///   [their own limit](Self::with_tunnel_idle_timeout).
    ///
    /// A server does not poll a body while its client reads nothing, so each exchange has a [`BodyWatch`], a future that
    /// `executor` runs. hyper-util's `TokioExecutor` spawns it.
    ///
    /// Default: no limit, and nothing is allocated. Others have 60 seconds (NGINX) or 5 minutes (Envoy).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use hyper_util::rt::TokioExecutor;
    /// use tower_canary::proxy::Proxy;
    ///
    /// # let client = ();
    /// let proxy = Proxy::new(client).with_body_idle_timeout(Duration::from_mins(5), TokioExecutor::new());
    /// ```
    pub fn with_body_idle_timeout(
        self,
        limit: Duration,
        executor: impl Executor<BodyWatch> + Send + Sync + 'static,
    ) -> Self {
        let limit = IdleLimit { limit, executor: Box::new(executor) };
        self.set(|settings| settings.body_idle = Some(Arc::new(limit)))
    }

    /// Closes a tunnel in which no byte moves for `limit`. Default: no limit.
    ///
    /// WebSockets that rest for longer need pings. See [upgrades](super#upgrades).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use hyper_util::rt::TokioExecutor;
    /// use tower_canary::proxy::Proxy;
    ///
    /// # let client = ();
    /// let proxy = Proxy::new(client)
    ///     .with_upgrades(TokioExecutor::new())
    ///     .with_tunnel_idle_timeout(Duration::from_hours(1));
    /// ```
    pub fn with_tunnel_idle_timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.tunnel_idle = Some(limit))
    }

    /// Sets the maximum number of header fields in a request. Default: 100.
    ///
    /// A request with more gets 431 `too-many-headers`. Over HTTP/2, several `Cookie` fields count as one. hyper's server
    /// has the same limit for HTTP/1.1, and none for HTTP/2: for more, also raise `max_headers` of its HTTP/1.1 builder.
    ///
    /// ```
    /// use tower_canary::proxy::Proxy;
    ///
    /// # let client = ();
    /// let proxy = Proxy::new(client).with_max_headers(60);
    /// ```
    pub fn with_max_headers(self, max: usize) -> Self {
        self.set(|settings| settings.max_headers = max)
    }

    /// Forwards `TRACE`. Default: 405 `method-not-allowed`, since the response repeats the cookies of the request.
    ///
    /// A `TRACE` with `Max-Forwards: 0` still gets 405.
    ///
    /// ```
    /// use tower_canary::proxy::Proxy;
    ///
    /// # let client = ();
    /// let proxy = Proxy::new(client).with_trace();
    /// ```
    pub fn with_trace(self) -> Self {
        self.set(|settings| settings.allows_trace = true)
    }

    /// Accepts request bodies over HTTP/2 that do not report their end by
    /// [`is_end_stream`](http_body::Body::is_end_stream).
    ///
    /// An HTTP/2 client can reset its request with `NO_ERROR` in the middle of the body. hyper then ends the body as if it
    /// were complete, and only `is_end_stream` shows that it is not. So the proxy fails a body over HTTP/2 that ends
    /// without it: a backend must not take half of a body for the whole. The bodies of some middlewares always return
    /// `false`, for example in tower-http's `RequestBodyTimeout` and `RequestDecompression`, and axum's
    /// `Body::from_stream`. Move these middlewares below the proxy, or accept the risk by this method.
    ///
    /// With this method, the body of a `GET` or `HEAD` over HTTP/2 needs a `Content-Length`. Nothing else distinguishes it
    /// from no body then, and hyper's client drops it.
    ///
    /// Default: such a body fails.
    ///
    /// ```
    /// use tower_canary::proxy::Proxy;
    ///
    /// # let client = ();
    /// let proxy = Proxy::new(client).with_unreported_body_end();
    /// ```
    pub fn with_unreported_body_end(self) -> Self {
        self.set(|settings| settings.checks_body_end = false)
    }
}
