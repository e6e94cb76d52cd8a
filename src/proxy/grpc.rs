//! HTTP/2 to the backends of gRPC.

use std::task::{Context, Poll, ready};

use http::header::HOST;
use http::{HeaderMap, Request};
use tower_service::Service;

use crate::common::grpc;

/// Sends gRPC by one client, over HTTP/2, and all other requests by another.
///
/// The client of `upstream` does so by itself: this is for other clients. gRPC needs HTTP/2. Without
/// TLS, hyper-util's client uses HTTP/1.1, or HTTP/2 for every request (`http2_only(true)`), which few
/// other backends understand. So this service takes one client of each kind. Put it below the layer,
/// so that the version is chosen once per stream:
/// `Proxy::new(layer.layer(GrpcOverHttp2::new(http1, http2)))`.
///
/// - A gRPC request loses its `Host`, whatever the layer's [`HostPolicy`](crate::layer::HostPolicy):
///   clients make `:authority` from the URI.
/// - hyper-util needs its feature `http2`. So does the server, axum's or hyper-util's `auto`, for
///   clients that use HTTP/2 without TLS.
/// - It is ready when both clients are.
/// - hyper-util's client has one HTTP/2 connection per backend, and calls beyond the backend's stream
///   limit wait. Set a PING, or a connection that fell silent is used as long as calls come; and a
///   connection window of many stream windows, or a few readers that stall hold up all others.
///
/// ```
/// use hyper_util::client::legacy::{Client, connect::HttpConnector};
/// use hyper_util::rt::{TokioExecutor, TokioTimer};
/// use std::time::Duration;
/// use tower_canary::proxy::GrpcOverHttp2;
///
/// let mut builder = Client::builder(TokioExecutor::new());
/// let http1 = builder.build::<_, String>(HttpConnector::new());
/// let http2 = builder
///     .http2_only(true)
///     .timer(TokioTimer::new())
///     .http2_keep_alive_interval(Duration::from_secs(10))
///     .http2_keep_alive_timeout(Duration::from_secs(10))
///     .http2_initial_stream_window_size(256 * 1024)
///     .http2_initial_connection_window_size(32 * 1024 * 1024)
///     .build(HttpConnector::new());
/// let client = GrpcOverHttp2::new(http1, http2);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct GrpcOverHttp2<S> {
    others: S,
    grpc: S,
}

impl<S> GrpcOverHttp2<S> {
    /// Creates a client that sends gRPC by `grpc`, which must use HTTP/2, and the rest by `others`.
    ///
    /// See [`GrpcOverHttp2`] for an example.
    pub const fn new(others: S, grpc: S) -> Self {
        Self { others, grpc }
    }
}

/// Returns whether these are the headers of a gRPC request or response.
///
/// gRPC-Web is not gRPC: it works over HTTP/1.1. For clients that choose a connection by
/// themselves, instead of by [`GrpcOverHttp2`].
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

impl<S, B> Service<Request<B>> for GrpcOverHttp2<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // Both are polled each time, so that neither waits for the other to become ready.
        let others = self.others.poll_ready(cx)?;
        ready!(self.grpc.poll_ready(cx)?);
        others.map(Ok)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if is_grpc(request.headers()) {
            // `:authority` takes its place, and the two must not differ (RFC 9113, 8.3.1).
            request.headers_mut().remove(HOST);
            self.grpc.call(request)
        } else {
            self.others.call(request)
        }
    }
}
