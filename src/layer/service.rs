use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::ResponseBody;
use super::forward_context::ForwardContext;
use super::future::ResponseFuture;
use super::settings::LayerSettings;
use crate::common::accessors::define_inner_service_accessors;
use crate::common::grpc::is_grpc;
use crate::common::problem::ProblemForm;
use crate::traffic::ApartRecord;

/// The service that [`WeightedVersionLayer`](super::WeightedVersionLayer) creates. See the [module docs](super).
///
/// It is ready when its client is, and calls the client that was ready, not a clone of it. `M` is `Mirror` if it copies
/// requests.
#[derive(Debug)]
pub struct WeightedVersion<S, M = ()> {
    inner: S,
    shared: Arc<Shared<M>>,
}

/// What all clones of a service share.
#[derive(Debug)]
struct Shared<M> {
    settings: LayerSettings,
    mirror: M,
}

impl<S, M> WeightedVersion<S, M> {
    pub(super) fn new(inner: S, settings: LayerSettings, mirror: M) -> Self {
        Self { inner, shared: Arc::new(Shared { settings, mirror }) }
    }

    /// Sends `request` to its version. Calls `tap` with the mirror and the client once the version is chosen, and before the
    /// request is rewritten. `tap` returns the record by which the request is counted apart, if it is.
    #[inline]
    pub(crate) fn send<B, R>(
        &mut self,
        mut request: Request<B>,
        tap: impl FnOnce(&M, &S, &mut Request<B>, ForwardContext<'_>) -> Option<Arc<ApartRecord>>,
    ) -> ResponseFuture<S::Future>
    where
        S: Service<Request<B>, Response = Response<R>>,
    {
        let Shared { settings, mirror } = &*self.shared;
        let client = &self.inner;
        match settings.route(&mut request, |request, context| tap(mirror, client, request, context)) {
            Ok(routed) => {
                ResponseFuture::forwarded(self.inner.call(request), routed.in_flight, routed.annotations)
            }
            Err(rejected) => {
                let form = ProblemForm::new(request.method(), is_grpc(request.headers()));
                ResponseFuture::rejected(rejected.rejection, form, rejected.refused)
            }
        }
    }

    define_inner_service_accessors!();
}

impl<S, B, R> Service<Request<B>> for WeightedVersion<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.send(request, |(), _, _, _| None)
    }
}

impl<S: Clone, M> Clone for WeightedVersion<S, M> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: Arc::clone(&self.shared) }
    }
}
