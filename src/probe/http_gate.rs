//! Gates of rollouts over HTTP.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, USER_AGENT};
use http::{HeaderValue, Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower_service::Service;

use super::http_probe::{PRODUCT, target};
use super::policy::UrlPolicy;
use crate::common::error::BoxError;
use crate::deployments::UrlRefused;
use crate::rollout::{Gate, GateAnswer, Question};
use crate::routing::Backend;

/// The longest time of a question, from connecting to the end of the response.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The largest response that is read, in bytes.
const MAX_RESPONSE: usize = 64 * 1024;

/// A function that sends a question by a client.
type Sender = Arc<dyn Fn(Request<Full<Bytes>>) -> Exchange + Send + Sync>;

/// The exchange of a question for the status and the body of the response.
type Exchange = Pin<Box<dyn Future<Output = Result<(u16, Bytes), BoxError>> + Send>>;

/// A gate of a rollout that asks a URL of the application.
///
/// The question is one POST request with the [`Question`] as JSON:
///
/// | response | answer |
/// | --- | --- |
/// | 2xx | open |
/// | 2xx with `{"verdict": "fail", "reason": "…"}` | fail, with the reason; also without one, and with other fields |
/// | 2xx with a body that begins with `{` and is no JSON object, or has two verdicts | not yet: it is asked again |
/// | another status, no response within 10 seconds, a body of more than 64 KiB | not yet |
///
/// Redirects are not followed. Each question opens a connection, which the [`UrlPolicy`] must allow: it is applied to the
/// address at that moment. A plan names the gate and never its URL, so who may start a rollout cannot make the gateway
/// call an address.
///
/// ```
/// use http::HeaderValue;
/// use http::header::AUTHORIZATION;
/// use tower_canary::probe::{HttpGate, UrlPolicy};
/// use tower_canary::rollout::Rollouts;
/// use tower_canary::{Deployments, Draw};
///
/// let smoke = HttpGate::new(UrlPolicy::new(), "http://ci.internal:8080/smoke".parse()?)?
///     .with_header(AUTHORIZATION, HeaderValue::from_static("Bearer a-token"));
/// let rollouts = Rollouts::new(Deployments::in_memory(Draw::Exact)).with_gate("smoke", smoke)?;
///
/// let metadata = "http://169.254.169.254/latest".parse()?;
/// assert!(HttpGate::new(UrlPolicy::new(), metadata).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct HttpGate {
    pub(super) url: Backend,
    pub(super) policy: UrlPolicy,
    pub(super) headers: HeaderMap,
    pub(super) send: Sender,
}

impl HttpGate {
    /// Creates a gate at `url` with a client of its own, which speaks HTTP/1.1 without TLS and connects as `policy` allows.
    ///
    /// For an `https` URL the policy must [allow it](UrlPolicy::allow_https), and the gate needs `with_tls` (feature
    /// `client-tls`) or [`with_client`](Self::with_client). See [`HttpGate`] for an example.
    ///
    /// # Errors
    ///
    /// [`UrlRefused`] with the reason if the policy denies the host or the scheme.
    pub fn new(policy: UrlPolicy, url: Backend) -> Result<Self, UrlRefused> {
        let client =
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(policy.connector());
        Self::with_client(policy, url, client)
    }

    /// Creates a gate at `url` that sends its questions by `client`, which must not follow redirects. It should connect by
    /// [`UrlPolicy::connector`], below its TLS if it has some: only the connector knows the addresses of a name.
    ///
    /// ```
    /// use hyper_util::client::legacy::Client;
    /// use hyper_util::rt::TokioExecutor;
    /// use tower_canary::probe::{HttpGate, UrlPolicy};
    ///
    /// let client = Client::builder(TokioExecutor::new()).build(UrlPolicy::new().connector());
    /// let gate = HttpGate::with_client(UrlPolicy::new(), "http://ci.internal".parse()?, client)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`UrlRefused`] with the reason if the policy denies the host or the scheme.
    pub fn with_client<C, B>(policy: UrlPolicy, url: Backend, client: C) -> Result<Self, UrlRefused>
    where
        C: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
        C::Error: Into<BoxError>,
        C::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        policy.check(&url)?;
        Ok(Self { url, policy, headers: HeaderMap::new(), send: sender(client) })
    }

    /// Sets a header of each question, such as credentials, in place of the one of this name. Its value is not shown in
    /// debug output. See [`HttpGate`] for an example.
    pub fn with_header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers.insert(name, value);
        self
    }

    /// Returns the request with the question. `None`: it has no JSON form, or the URL is too long.
    fn request(&self, question: &Question) -> Option<Request<Full<Bytes>>> {
        let uri: Uri = target(&self.url, None)?;
        let json = serde_json::to_vec(question).ok()?;
        let mut request = Request::post(uri).body(Full::from(json)).ok()?;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.extend(self.headers.clone());
        Some(request)
    }
}

#[async_trait]
impl Gate for HttpGate {
    async fn ask(&self, question: &Question) -> GateAnswer {
        let Some(request) = self.request(question) else { return GateAnswer::NotYet };
        match tokio::time::timeout(TIME_LIMIT, (self.send)(request)).await {
            Ok(Ok((status, body))) => GateAnswer::from_http(status, &body),
            Ok(Err(error)) => {
                tracing::debug!(gate = %question.gate, error = &*error as &dyn Error, "a gate could not be asked");
                GateAnswer::NotYet
            }
            Err(_) => {
                tracing::debug!(gate = %question.gate, limit = ?TIME_LIMIT, "a gate did not respond");
                GateAnswer::NotYet
            }
        }
    }
}

impl fmt::Debug for HttpGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpGate")
            .field("url", &self.url)
            .field("policy", &self.policy)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// Creates the function that sends a question by `client` and reads the response.
pub(super) fn sender<C, B>(client: C) -> Sender
where
    C: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    Arc::new(move |request| Box::pin(exchange(client.clone(), request)))
}

/// Sends a question, and returns the status and the body of the response.
async fn exchange<C, B>(mut client: C, request: Request<Full<Bytes>>) -> Result<(u16, Bytes), BoxError>
where
    C: Service<Request<Full<Bytes>>, Response = Response<B>>,
    C::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    poll_fn(|context| client.poll_ready(context)).await.map_err(Into::into)?;
    let response = client.call(request).await.map_err(Into::into)?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_RESPONSE).collect().await?.to_bytes();
    Ok((status, body))
}
