//! Health probes over HTTP.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use tower_service::Service;

use super::cause;
use super::client::PlainClient;
use super::policy::UrlPolicy;
use crate::common::error::BoxError;
use crate::deployments::{Healthy, Unhealthy, UrlRefused, VersionCheck};
use crate::routing::{Backend, HealthPath};

/// The default of [`HttpProbe::with_timeout`].
const TIMEOUT: Duration = Duration::from_secs(3);

/// The `User-Agent` of probes and gates.
pub(super) const PRODUCT: &str = concat!("tower-canary/", env!("CARGO_PKG_VERSION"));

/// Probes instances over HTTP, and refuses URLs that its [`UrlPolicy`] denies.
///
/// A probe is one GET request:
///
/// | the service has | target | healthy if the status is |
/// | --- | --- | --- |
/// | a health path | the path below the base URL of the instance | 2xx |
/// | none | the base URL | 200 to 499 |
///
/// The response head must arrive within 3 seconds, which includes the time to connect. The body is
/// not read, redirects are not followed, and each probe of [`HttpProbe::new`] opens a connection: it
/// shows that the instance accepts new ones.
///
/// The cause of a failed probe that callers see names neither addresses nor text of the backend;
/// the whole error is logged as a debug event.
///
/// ```
/// use tower_canary::deployments::Deployments;
/// use tower_canary::probe::{HttpProbe, UrlPolicy};
/// use tower_canary::routing::Change;
/// use tower_canary::store::{ChangeRequest, MemoryStore};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let deployments = Deployments::start(MemoryStore::new(), HttpProbe::new(UrlPolicy::new())).await?;
/// let register = Change::register("v1.0".parse()?, "http://169.254.169.254".parse()?);
/// let refused = deployments.apply(&"auth".parse()?, ChangeRequest::new(register, "mallory")).await;
/// assert!(refused.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct HttpProbe<C = PlainClient> {
    pub(super) policy: UrlPolicy,
    pub(super) client: C,
    pub(super) timeout: Duration,
}

impl HttpProbe {
    /// Creates a probe with a client of its own, which speaks HTTP/1.1 without TLS and connects as
    /// `policy` allows.
    ///
    /// For versions at `https` URLs use `with_tls` (feature `client-tls`) or
    /// [`with_client`](Self::with_client). See [`HttpProbe`] for an example.
    pub fn new(policy: UrlPolicy) -> Self {
        Self::with_client(policy, PlainClient::new(policy))
    }
}

impl<C> HttpProbe<C> {
    /// Creates a probe that sends its requests by `client`.
    ///
    /// For `https` the policy must [allow it](UrlPolicy::allow_https).
    ///
    /// The client takes empty bodies, and may share a connector with the one that sends traffic. It
    /// must not follow redirects. It should connect by [`UrlPolicy::connector`] below its TLS (see
    /// [`GuardedConnector::allow_https`](super::GuardedConnector::allow_https)): only the connector
    /// knows the addresses of a name.
    ///
    /// ```
    /// use hyper_util::client::legacy::Client;
    /// use hyper_util::rt::TokioExecutor;
    /// use tower_canary::probe::{HttpProbe, UrlPolicy};
    ///
    /// // A TLS library wraps the connector: hyper-rustls by `HttpsConnectorBuilder::wrap_connector`.
    /// let policy = UrlPolicy::new().allow_https();
    /// let client = Client::builder(TokioExecutor::new())
    ///     .build::<_, http_body_util::Empty<bytes::Bytes>>(policy.connector().allow_https());
    /// let probe = HttpProbe::with_client(policy, client);
    /// ```
    pub const fn with_client(policy: UrlPolicy, client: C) -> Self {
        Self { policy, client, timeout: TIMEOUT }
    }

    /// Sets the maximum time of a whole probe, from connecting to the response head. Default: 3 seconds.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_canary::probe::{HttpProbe, UrlPolicy};
    ///
    /// let probe = HttpProbe::new(UrlPolicy::new()).with_timeout(Duration::from_millis(500));
    /// ```
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

#[async_trait]
impl<C, B> VersionCheck for HttpProbe<C>
where
    C: Service<Request<Empty<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
{
    fn admit(&self, backend: &Backend) -> Result<(), UrlRefused> {
        self.policy.check(backend)
    }

    async fn probe(
        &self,
        backend: &Backend,
        health_path: Option<&HealthPath>,
    ) -> Result<Option<Healthy>, Unhealthy> {
        self.policy.check_backend(backend).map_err(unreachable)?;
        let uri = target(backend, health_path).ok_or_else(|| unreachable("its URL is too long"))?;
        let started = Instant::now();
        let status = tokio::time::timeout(self.timeout, get_status(self.client.clone(), uri))
            .await
            .map_err(|_| Unhealthy::TimedOut(self.timeout))??;
        if is_healthy(status, health_path) {
            Ok(Some(Healthy { status: status.as_u16(), took: started.elapsed() }))
        } else {
            Err(Unhealthy::Status(status.as_u16()))
        }
    }
}

impl<C> fmt::Debug for HttpProbe<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProbe")
            .field("policy", &self.policy)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Returns the base URL as it was given, or the health path below it. `None` if the result is too long.
///
/// A base path never ends with `/`, and a health path always begins with it.
pub(super) fn target(backend: &Backend, health_path: Option<&HealthPath>) -> Option<Uri> {
    let Some(path) = health_path else { return backend.as_str().parse().ok() };
    let below_base = format!("{}{}", backend.base_path(), path.as_str());
    Uri::builder()
        .scheme(backend.scheme().clone())
        .authority(backend.authority().clone())
        .path_and_query(below_base)
        .build()
        .ok()
}

/// Creates the result of a probe for which no request was sent.
fn unreachable(cause: &str) -> Unhealthy {
    Unhealthy::Unreachable(cause.to_owned())
}

/// Sends the probe and returns the status of the response.
async fn get_status<C, B>(mut client: C, uri: Uri) -> Result<StatusCode, Unhealthy>
where
    C: Service<Request<Empty<Bytes>>, Response = Response<B>>,
    C::Error: Into<BoxError>,
{
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri;
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
    poll_fn(|cx| client.poll_ready(cx)).await.map_err(log_and_summarize)?;
    Ok(client.call(request).await.map_err(log_and_summarize)?.status())
}

/// Logs an error of the client, and returns the result of the probe with a summary of it.
fn log_and_summarize(error: impl Into<BoxError>) -> Unhealthy {
    let error = error.into();
    tracing::debug!(error = &*error as &dyn Error, "a probe failed");
    Unhealthy::Unreachable(cause::summarize(&*error))
}

/// Returns whether a status counts as healthy. A health path is made for this question; of a base URL only a
/// failure of the server says something.
fn is_healthy(status: StatusCode, health_path: Option<&HealthPath>) -> bool {
    match health_path {
        Some(_) => status.is_success(),
        // A 1xx is no final response. A backend that switches protocols serves no plain request.
        None => !status.is_informational() && status.as_u16() < 500,
    }
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn health_path_joins_with_one_slash() {
        let probed = |url: &str, path: Option<&str>| {
            let path = path.map(|path| path.parse().unwrap());
            target(&url.parse().unwrap(), path.as_ref()).unwrap().to_string()
        };
        assert_eq!(probed("http://10.0.0.1:81", Some("/healthz")), "http://10.0.0.1:81/healthz");
        assert_eq!(probed("http://10.0.0.1/", Some("/healthz")), "http://10.0.0.1/healthz");
        assert_eq!(probed("http://10.0.0.1/api/", Some("/h?x=1")), "http://10.0.0.1/api/h?x=1");
        assert_eq!(probed("http://10.0.0.1/api", None), "http://10.0.0.1/api");
        assert_eq!(probed("http://10.0.0.1", None), "http://10.0.0.1/");
    }
}
