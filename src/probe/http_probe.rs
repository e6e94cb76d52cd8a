//! Probing over HTTP.

use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::USER_AGENT;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use tower_service::Service;

use super::cause;
use super::client::PlainClient;
use super::policy::UrlPolicy;
use crate::deployments::{Healthy, Unhealthy, UrlRefused, VersionCheck};
use crate::routing::{Backend, HealthPath, Version};

const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Probes versions over HTTP, and refuses URLs that its [`UrlPolicy`] denies.
///
/// A probe is one GET, of the health path below the version's base URL, or of the base URL itself where the service
/// has no health path. With a health path the version is healthy when the status is 2xx; without, when it is below
/// 500. No redirect is followed, no body is read, and the answer's status must have come within 3 seconds in all.
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
    policy: UrlPolicy,
    client: C,
    limit: Duration,
}

impl HttpProbe {
    /// Probes with a client of its own, which speaks HTTP/1.1 without TLS and connects as `policy` allows.
    ///
    /// Versions at `https` URLs are not healthy to it: they need a client of the host's own, see
    /// [`with_client`](Self::with_client).
    pub fn new(policy: UrlPolicy) -> Self {
        Self::with_client(policy, PlainClient::new(policy))
    }
}

impl<C> HttpProbe<C> {
    /// Probes with `client`: for `https`. It is a client for empty bodies, which may share the connector of yours.
    ///
    /// The client must not follow redirects. It should connect through [`UrlPolicy::connector`] below its TLS
    /// ([`GuardedConnector::allow_https`](super::GuardedConnector::allow_https)), since only there is known what a name
    /// resolves to.
    ///
    /// ```
    /// use hyper_util::client::legacy::Client;
    /// use hyper_util::rt::TokioExecutor;
    /// use tower_canary::probe::{HttpProbe, UrlPolicy};
    ///
    /// // Where TLS is wanted, wrap the connector, as hyper-rustls does with `HttpsConnectorBuilder::wrap_connector`.
    /// let policy = UrlPolicy::new();
    /// let client = Client::builder(TokioExecutor::new())
    ///     .build::<_, http_body_util::Empty<bytes::Bytes>>(policy.connector().allow_https());
    /// let probe = HttpProbe::with_client(policy, client);
    /// ```
    pub const fn with_client(policy: UrlPolicy, client: C) -> Self {
        Self { policy, client, limit: TIME_LIMIT }
    }

    /// Waits for `limit` instead of 3 seconds, for the whole probe.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_canary::probe::{HttpProbe, UrlPolicy};
    ///
    /// let probe = HttpProbe::new(UrlPolicy::new()).with_timeout(Duration::from_millis(500));
    /// ```
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

#[async_trait]
impl<C, B> VersionCheck for HttpProbe<C>
where
    C: Service<Request<Empty<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    C::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    C::Future: Send,
{
    fn admit(&self, backend: &Backend) -> Result<(), UrlRefused> {
        self.policy.check(backend)
    }

    async fn probe(
        &self,
        version: &Version,
        health_path: Option<&HealthPath>,
    ) -> Result<Option<Healthy>, Unhealthy> {
        let unreachable = |cause: &str| Unhealthy::Unreachable(cause.to_owned());
        self.policy.check_host(version.backend().authority().host()).map_err(unreachable)?;
        let uri = target(version.backend(), health_path).ok_or_else(|| unreachable("its URL is too long"))?;
        let asked = Instant::now();
        let answer = tokio::time::timeout(self.limit, ask(self.client.clone(), uri)).await;
        let status = answer.map_err(|_| Unhealthy::TimedOut(self.limit))??;
        if is_healthy(status, health_path) {
            Ok(Some(Healthy { status: status.as_u16(), took: asked.elapsed() }))
        } else {
            Err(Unhealthy::Status(status.as_u16()))
        }
    }
}

impl<C> fmt::Debug for HttpProbe<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProbe")
            .field("policy", &self.policy)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// The base URL as it was given, or the health path below it: a base path has no `/` behind, a health path one in front.
fn target(backend: &Backend, health_path: Option<&HealthPath>) -> Option<Uri> {
    let Some(path) = health_path else { return backend.as_str().parse().ok() };
    let below_base = format!("{}{}", backend.base_path(), path.as_str());
    let (scheme, authority) = (backend.scheme().clone(), backend.authority().clone());
    Uri::builder().scheme(scheme).authority(authority).path_and_query(below_base).build().ok()
}

async fn ask<C, B>(mut client: C, uri: Uri) -> Result<StatusCode, Unhealthy>
where
    C: Service<Request<Empty<Bytes>>, Response = Response<B>>,
    C::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let failed = |error: C::Error| {
        let error = error.into();
        tracing::debug!(error = &*error as &dyn std::error::Error, "a probe failed");
        Unhealthy::Unreachable(cause::short(&*error))
    };
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri;
    let name = http::HeaderValue::from_static(concat!("tower-canary/", env!("CARGO_PKG_VERSION")));
    request.headers_mut().insert(USER_AGENT, name);
    std::future::poll_fn(|cx| client.poll_ready(cx)).await.map_err(failed)?;
    Ok(client.call(request).await.map_err(failed)?.status())
}

fn is_healthy(status: StatusCode, health_path: Option<&HealthPath>) -> bool {
    match health_path {
        Some(_) => status.is_success(),
        // One that switches protocols unasked answers no request.
        None => !status.is_informational() && status.as_u16() < 500,
    }
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn a_health_path_is_joined_to_the_base_url_on_exactly_one_slash() {
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
