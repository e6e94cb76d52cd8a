//! The default client of probes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use thiserror::Error;
use tower_service::Service;

use super::connector::GuardedConnector;
use super::policy::UrlPolicy;
use crate::common::error::BoxError;

/// The client of [`HttpProbe::new`](super::HttpProbe::new).
///
/// It speaks HTTP/1.1 without TLS, opens a new connection for each probe, connects as the
/// [`UrlPolicy`] allows, and drops response bodies unread. See
/// [`HttpProbe`](super::HttpProbe) for an example.
#[derive(Clone)]
pub struct PlainClient {
    http: Client<GuardedConnector, Empty<Bytes>>,
}

/// The client cannot probe `https` URLs.
#[derive(Debug, Error)]
#[error("the probe of this gateway does not support https")]
pub(super) struct HttpsUnsupported;

impl PlainClient {
    /// Creates a client that connects as `policy` allows.
    pub(super) fn new(policy: UrlPolicy) -> Self {
        // A pooled connection would show nothing about whether the backend accepts new ones.
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(policy.connector());
        Self { http }
    }
}

impl Service<Request<Empty<Bytes>>> for PlainClient {
    type Response = Response<()>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        if request.uri().scheme() == Some(&Scheme::HTTPS) {
            return Box::pin(async { Err(HttpsUnsupported.into()) });
        }
        let response = self.http.request(request);
        Box::pin(async { Ok(response.await?.map(drop)) })
    }
}

impl fmt::Debug for PlainClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainClient").finish_non_exhaustive()
    }
}
