use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::ResponseBody;
use super::future::ResponseFuture;
use super::settings::LayerSettings;
use crate::common::accessors::define_inner_service_accessors;

/// The service that [`WeightedVersionLayer`](super::WeightedVersionLayer) creates. See the [module docs](super).
///
/// It is ready when its client is, and calls the client that was ready, not a clone of it.
#[derive(Clone, Debug)]
pub struct WeightedVersion<S> {
    inner: S,
    settings: Arc<LayerSettings>,
}

impl<S> WeightedVersion<S> {
    pub(super) const fn new(inner: S, settings: Arc<LayerSettings>) -> Self {
        Self { inner, settings }
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.settings.route(&mut request) {
            Ok(routed) => {
                ResponseFuture::forwarded(self.inner.call(request), routed.in_flight, routed.annotations)
            }
            Err(rejected) => {
                ResponseFuture::rejected(rejected.rejection, request.headers(), rejected.refused)
            }
        }
    }
}
