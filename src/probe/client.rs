//! The default client of probes.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::header::HOST;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use thiserror::Error;
use tower_service::Service;

use super::connector::{Connecting, GuardedConnector};
use super::policy::UrlPolicy;
use crate::common::error::BoxError;

/// The client of [`HttpProbe::new`](super::HttpProbe::new): HTTP/1.1 without TLS.
///
/// It connects as the [`UrlPolicy`] allows. Each request has a connection of its own, since a pooled one would show nothing
/// about whether the backend accepts new ones. The future of the response owns the connection: it is closed with the head of
/// the response, whose body is not read, and when the probe is given up. See [`HttpProbe`](super::HttpProbe) for an example.
#[derive(Clone)]
pub struct PlainClient {
    connector: GuardedConnector,
}

/// The client cannot probe `https` URLs.
#[derive(Debug, Error)]
#[error("the probe of this gateway does not support https")]
pub(super) struct HttpsUnsupported;

impl PlainClient {
    /// Creates a client that connects as `policy` allows.
    pub(super) fn new(policy: UrlPolicy) -> Self {
        Self { connector: policy.connector() }
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
        Box::pin(exchange(self.connector.call(request.uri().clone()), request))
    }
}

/// Sends `request` on a connection of its own. Returns the head of the response.
async fn exchange(
    connecting: Connecting,
    mut request: Request<Empty<Bytes>>,
) -> Result<Response<()>, BoxError> {
    let stream = connecting.await?;
    let (mut sender, connection) = http1::handshake(stream).await?;
    use_origin_form(&mut request)?;
    let response = match select(pin!(sender.send_request(request)), pin!(connection)).await {
        Either::Left((response, _)) => response,
        // The response has the error of the connection.
        Either::Right((_, response)) => response.await,
    };
    Ok(response?.map(drop))
}

/// Moves the authority of the URI to the header `Host` (RFC 9112, 3.2.1).
fn use_origin_form(request: &mut Request<Empty<Bytes>>) -> Result<(), BoxError> {
    let uri = request.uri();
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::from_str(host)?;
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
    request.headers_mut().insert(HOST, host);
    Ok(())
}

impl fmt::Debug for PlainClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainClient").finish_non_exhaustive()
    }
}
