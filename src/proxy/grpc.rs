//! HTTP/2 to the backends of gRPC.

use crate::common::grpc;
use std::task::{Context, Poll};

use http::header::HOST;
use http::{HeaderMap, Request};
use tower_service::Service;

/// Sends gRPC by a client for HTTP/2, and everything else by another.
///
/// A client of hyper-util speaks HTTP/1.1 to `http://` backends or, made with `http2_only(true)`, HTTP/2 by prior
/// knowledge, which is what gRPC needs and few others understand. This takes one of each: below the layer, so that the
/// version is chosen before, once per stream. gRPC goes without `Host`, whatever the layer's policy: a client makes
/// `:authority` from the URI. Both clients need the feature `http2` of hyper-util; for clients that come by HTTP/2 without
/// TLS, so does the server: axum's, or hyper-util's `auto`. A gateway is then
/// `Proxy::new(layer.layer(GrpcOverHttp2::new(http1, http2)))`.
///
/// ```
/// use hyper_util::client::legacy::{Client, connect::HttpConnector};
/// use hyper_util::rt::TokioExecutor;
/// use tower_canary::proxy::GrpcOverHttp2;
///
/// let mut builder = Client::builder(TokioExecutor::new());
/// let http1 = builder.build::<_, String>(HttpConnector::new());
/// let http2 = builder.http2_only(true).build(HttpConnector::new());
/// let client = GrpcOverHttp2::new(http1, http2);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct GrpcOverHttp2<S> {
    others: S,
    grpc: S,
}

impl<S> GrpcOverHttp2<S> {
    /// Sends gRPC by `grpc`, which is to speak HTTP/2.
    pub const fn new(others: S, grpc: S) -> Self {
        Self { others, grpc }
    }
}

/// Whether a request with these headers is gRPC, which gRPC-Web is not: for a client that tells them apart by itself.
///
/// ```
/// use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
/// use tower_canary::proxy::is_grpc;
///
/// let headers = |kind| HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
/// assert!(is_grpc(&headers("application/grpc+proto")));
/// assert!(!is_grpc(&headers("application/grpc-web")));
/// ```
#[must_use]
pub fn is_grpc(headers: &HeaderMap) -> bool {
    grpc::is_grpc(headers)
}

/// It is ready when both clients are.
impl<S, B> Service<Request<B>> for GrpcOverHttp2<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let (others, grpc) = (self.others.poll_ready(cx)?, self.grpc.poll_ready(cx)?);
        if others.is_ready() && grpc.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if is_grpc(request.headers()) {
            // `:authority` says it, and nothing may contradict it (RFC 9113, 8.3.1).
            request.headers_mut().remove(HOST);
            self.grpc.call(request)
        } else {
            self.others.call(request)
        }
    }
}
