//! The client of probes over TLS.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use super::client::PlainClient;
use super::connector::GuardedConnector;
use super::http_probe::HttpProbe;
use super::policy::UrlPolicy;
use super::protocol::{Offer, Protocol};
use super::stream::GuardedStream;
use super::tls::{ClientTls, negotiated_protocol};
use crate::common::error::BoxError;

type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// The client of [`HttpProbe::with_tls`].
///
/// It is [`PlainClient`] for `http`. For `https` it speaks HTTP/2 or HTTP/1.1 over TLS, as the
/// backend chooses. See [`HttpProbe::with_tls`] for an example.
#[derive(Clone)]
pub struct TlsClient {
    plain: PlainClient,
    https: Client<TlsProbeConnector, Empty<Bytes>>,
}

/// Connects as the policy allows, and establishes TLS.
#[derive(Clone)]
pub(super) struct TlsProbeConnector {
    tcp: GuardedConnector,
    tls: ClientTls,
}

/// A TLS connection that reports its protocol to hyper-util's client.
pub(super) struct TlsProbeStream(TlsStream<GuardedStream>);

impl HttpProbe {
    /// Probes versions at `https` URLs too, by the TLS of the client that sends the traffic.
    ///
    /// The probe then admits `https` URLs, as [`UrlPolicy::allow_https`] does.
    ///
    /// ```
    /// use tower_canary::deployments::VersionCheck;
    /// use tower_canary::probe::{HttpProbe, UrlPolicy};
    /// use tower_canary::upstream::ClientTls;
    ///
    /// # fn check() -> Result<(), Box<dyn std::error::Error>> {
    /// let probe = HttpProbe::new(UrlPolicy::new()).with_tls(ClientTls::platform()?);
    /// assert!(probe.admit(&"https://auth.internal".parse()?).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_tls(self, tls: ClientTls) -> HttpProbe<TlsClient> {
        let policy = self.policy.allow_https();
        HttpProbe { policy, client: TlsClient::new(self.client, policy, tls), timeout: self.timeout }
    }
}

impl TlsClient {
    /// Creates a client that opens a connection for each probe, by TLS for `https`.
    fn new(plain: PlainClient, policy: UrlPolicy, tls: ClientTls) -> Self {
        let connector = TlsProbeConnector::new(policy, tls);
        // A pooled connection would show nothing about whether the backend accepts new ones.
        let https = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Self { plain, https }
    }
}

impl TlsProbeConnector {
    /// Creates a connector whose addresses the policy checks below TLS.
    pub(super) fn new(policy: UrlPolicy, tls: ClientTls) -> Self {
        Self { tcp: policy.connector().allow_https(), tls }
    }
}

impl Service<Request<Empty<Bytes>>> for TlsClient {
    type Response = Response<()>;
    type Error = BoxError;
    type Future = BoxFuture<Response<()>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        if request.uri().scheme() != Some(&Scheme::HTTPS) {
            return self.plain.call(request);
        }
        let response = self.https.request(request);
        Box::pin(async { Ok(response.await?.map(drop)) })
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").finish_non_exhaustive()
    }
}

impl Service<Uri> for TlsProbeConnector {
    type Response = TokioIo<TlsProbeStream>;
    type Error = BoxError;
    type Future = BoxFuture<TokioIo<TlsProbeStream>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.tcp.call(uri.clone());
        let tls = self.tls.clone();
        Box::pin(async move {
            let tcp = connecting.await?.into_inner();
            let stream = tls.handshake(uri.host().unwrap_or_default(), tcp, Offer::Negotiate).await?;
            Ok(TokioIo::new(TlsProbeStream(stream)))
        })
    }
}

impl Connection for TlsProbeStream {
    fn connected(&self) -> Connected {
        match negotiated_protocol(&self.0) {
            Protocol::Http2 => Connected::new().negotiated_h2(),
            Protocol::Http1 => Connected::new(),
        }
    }
}

impl AsyncRead for TlsProbeStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsProbeStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
