use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, Version};
use http_body::Body;
use tower_service::Service;

use super::body::{CheckedBody, RequestBody};
use super::future::{ProxyFuture, Sent};
use super::prefix::trusted_prefix;
use super::progress::RequestProgress;
use super::response_body::ProxyBody;
use super::scan::HeaderScan;
use super::settings::ProxySettings;
use super::watch::PendingWatch;
use crate::common::accessors::define_inner_service_accessors;
use crate::common::error::BoxError;
use crate::common::grpc::is_grpc;
use crate::common::problem::{ProblemForm, StaticProblem};
use crate::layer::ReportRewrite;

/// A reverse proxy around a client service. See the [module docs](super) for what it does on the wire.
///
/// `S` is a service that sends requests, most often a [`WeightedVersion`](crate::WeightedVersion)
/// around the `Client` of `upstream`. The proxy never fails: when there is no response from a backend,
/// it responds with a problem document.
///
/// ```
/// # #[cfg(feature = "client")] {
/// use hyper_util::rt::TokioExecutor;
/// use std::time::Duration;
/// use tower::Layer;
/// use tower_canary::probe::UrlPolicy;
/// use tower_canary::proxy::Proxy;
/// use tower_canary::upstream::Client;
/// use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
///
/// let layer = WeightedVersionLayer::new(&RoutingHandle::new(), Target::path_segment());
/// let client = Client::new(UrlPolicy::new(), TokioExecutor::new());
/// let proxy = Proxy::new(layer.layer(client))
///     .with_upgrades(TokioExecutor::new())
///     .with_response_timeout(Duration::from_secs(10))
///     .with_trusted_proxies(|address| address.is_loopback());
/// let app: axum::Router = axum::Router::new().fallback_service(proxy);
/// # }
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

    define_inner_service_accessors!();

    /// Changes a setting. Clones that were made before keep theirs.
    pub(super) fn set(mut self, set: impl FnOnce(&mut ProxySettings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S, B, R> Service<Request<B>> for Proxy<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    R: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<ProxyBody<R>>;
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
        let form = ProblemForm::new(&head.method, is_grpc);
        let has_body = !body.is_end_stream();
        let reports_end = self.settings.checks_body_end && head.version == Version::HTTP_2;
        let prepared = match self.unready.take() {
            Some(problem) => Err(problem.into()),
            None => self.settings.prepare(&mut head, scan, has_body, is_grpc),
        };
        let handshake = match prepared {
            Ok(handshake) => handshake,
            Err(response) => return ProxyFuture::local(response, form),
        };
        let progress = RequestProgress::new(has_body, is_grpc, self.settings.response_timeout);
        head.extensions.insert(progress.outcome().clone());
        let prefix = self.settings.rewrites_redirects.then(|| {
            head.extensions.insert(ReportRewrite);
            trusted_prefix(&head.headers).into()
        });
        let is_watched = has_body && self.settings.body_idle.is_some();
        let mut watch = is_watched.then(|| Box::new(PendingWatch::new()));
        let body = CheckedBody::new(body, progress.clone(), reports_end);
        let body = match &mut watch {
            Some(watch) => RequestBody::watched(body, watch),
            None => RequestBody::plain(body),
        };
        let sent = Sent { progress, settings: Arc::clone(&self.settings), handshake, prefix, watch };
        ProxyFuture::sent(self.inner.call(Request::from_parts(head, body)), sent, form)
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
