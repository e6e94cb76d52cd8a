//! Connects to a backend: the name, TCP, TLS and the protocol.

use std::io;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tower_service::Service;

use super::error::{ConnectError, ConnectErrorKind};
use super::stream::Stream;
use super::target::Target;
use crate::common::error::BoxError;
#[cfg(feature = "client-tls")]
use crate::probe::{ClientTls, negotiated_protocol};
use crate::probe::{GuardedConnector, GuardedStream, Offer, Protocol, UrlPolicy};

/// The default of [`Connector::with_timeout`].
const TIMEOUT: Duration = Duration::from_secs(3);

/// Connects where the policy allows, which it checks for each connection.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Connector {
    tcp: GuardedConnector,
    timeout: Duration,
    #[cfg(feature = "client-tls")]
    tls: Option<ClientTls>,
}

/// A new connection.
#[derive(Debug)]
pub(in crate::upstream) struct Connected {
    pub(in crate::upstream) io: Stream,
    pub(in crate::upstream) protocol: Protocol,
}

impl Connector {
    /// Creates a connector without TLS, with the default time limit.
    pub(in crate::upstream) fn new(policy: UrlPolicy) -> Self {
        let connector = Self {
            // A target with TLS gets TLS here, or is refused.
            tcp: policy.connector().allow_https(),
            timeout: TIMEOUT,
            #[cfg(feature = "client-tls")]
            tls: None,
        };
        connector.with_timeout(TIMEOUT)
    }

    /// Sets the maximum time of [`connect`](Self::connect), from the resolution of the name to the end of the TLS
    /// handshake. Default: 3 seconds.
    pub(in crate::upstream) fn with_timeout(mut self, timeout: Duration) -> Self {
        // The TCP connector divides the time among the addresses of a name.
        self.tcp = self.tcp.with_connect_timeout(timeout);
        self.timeout = timeout;
        self
    }

    /// Sets the TLS for targets with `https`.
    #[cfg(feature = "client-tls")]
    pub(in crate::upstream) fn with_tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Connects to `target`. The connection speaks one of the offered protocols.
    pub(in crate::upstream) async fn connect(
        &self,
        target: &Target,
        offer: Offer,
    ) -> Result<Connected, ConnectError> {
        // The future of a handshake is large, and rare compared to requests.
        let connecting = Box::pin(self.establish(target, offer));
        timeout(self.timeout, connecting).await.map_err(|elapsed| timed_out(elapsed.into()))?
    }

    /// Connects without a time limit. Without TLS nothing is negotiated: the protocol is the one that was
    /// offered.
    async fn establish(&self, target: &Target, offer: Offer) -> Result<Connected, ConnectError> {
        if !target.tls {
            let io = Stream::Tcp(TokioIo::new(self.connect_tcp(target).await?));
            let protocol = if offer == Offer::Http2 { Protocol::Http2 } else { Protocol::Http1 };
            return Ok(Connected { io, protocol });
        }
        self.establish_tls(target, offer).await
    }

    /// Resolves the name and connects, under the policy.
    async fn connect_tcp(&self, target: &Target) -> Result<GuardedStream, ConnectError> {
        Ok(self.tcp.clone().call(target.uri()).await?.into_inner())
    }

    /// Connects, and then negotiates TLS with the protocols of `offer`. Fails if HTTP/2 alone was offered and not chosen.
    #[cfg(feature = "client-tls")]
    async fn establish_tls(&self, target: &Target, offer: Offer) -> Result<Connected, ConnectError> {
        let tls = self.tls.as_ref().ok_or(ConnectError::new(ConnectErrorKind::NoTls))?;
        let tcp = self.connect_tcp(target).await?;
        let stream = tls.handshake(target.authority.host(), tcp, offer).await.map_err(BoxError::from)?;
        let protocol = negotiated_protocol(&stream);
        if offer == Offer::Http2 && protocol != Protocol::Http2 {
            return Err(ConnectError::new(ConnectErrorKind::NoHttp2));
        }
        Ok(Connected { io: Stream::Tls(Box::new(TokioIo::new(stream))), protocol })
    }

    /// Fails: this build has no TLS.
    #[cfg(not(feature = "client-tls"))]
    #[expect(clippy::unused_async, reason = "with TLS it is async")]
    async fn establish_tls(&self, _: &Target, _: Offer) -> Result<Connected, ConnectError> {
        Err(ConnectError::new(ConnectErrorKind::NoTls))
    }
}

/// Creates the error for a connection that took too long.
fn timed_out(error: io::Error) -> ConnectError {
    BoxError::from(error).into()
}

#[cfg(test)]
#[cfg_attr(feature = "client-tls", expect(clippy::disallowed_methods, reason = "tests spawn"))]
mod tests {
    use std::error::Error;
    use std::io::{self, ErrorKind};
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::super::error::{ConnectError, ConnectErrorKind};
    use super::super::target::Target;
    use super::{Connected, Connector};
    use crate::common::error::chain;
    use crate::probe::{Offer, Protocol, UrlPolicy};

    fn target(url: &str) -> Target {
        let uri: http::Uri = url.parse().unwrap();
        Target { tls: uri.scheme_str() == Some("https"), authority: uri.authority().unwrap().clone() }
    }

    fn connector() -> Connector {
        Connector::new(UrlPolicy::new().allow_loopback()).with_timeout(Duration::from_secs(5))
    }

    /// Starts a listener whose connections get no response.
    async fn silent() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        (listener, authority)
    }

    fn kind(result: Result<Connected, ConnectError>) -> ConnectErrorKind {
        result.unwrap_err().kind()
    }

    #[tokio::test]
    async fn plain_protocol_is_as_offered() {
        let (_listener, at) = silent().await;
        for (offer, protocol) in [
            (Offer::Http1, Protocol::Http1),
            (Offer::Negotiate, Protocol::Http1),
            (Offer::Http2, Protocol::Http2),
        ] {
            let connected = connector().connect(&target(&format!("http://{at}")), offer).await.unwrap();
            assert_eq!(connected.protocol, protocol);
        }
    }

    #[tokio::test]
    async fn errors_have_a_kind() {
        let (listener, at) = silent().await;
        let plain = target(&format!("http://{at}"));
        let strict = Connector::new(UrlPolicy::new());
        assert_eq!(kind(strict.connect(&plain, Offer::Http1).await), ConnectErrorKind::Forbidden);
        let unknown = target("http://no-such-host.invalid");
        assert_eq!(kind(connector().connect(&unknown, Offer::Http1).await), ConnectErrorKind::Unresolved);
        let secure = target(&format!("https://{at}"));
        assert_eq!(kind(connector().connect(&secure, Offer::Negotiate).await), ConnectErrorKind::NoTls);
        drop(listener);
        let refused = connector().connect(&plain, Offer::Http1).await.unwrap_err();
        assert_eq!(refused.kind(), ConnectErrorKind::Refused);
        assert_eq!(io_kind(&refused), Some(ErrorKind::ConnectionRefused));
        assert_eq!(refused.to_string(), "cannot connect to the backend: the connection was refused");
    }

    fn io_kind(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
        chain(error).find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind)
    }

    #[cfg(feature = "client-tls")]
    mod tls {
        use std::sync::Arc;
        use std::time::Instant;

        use bytes::Bytes;
        use http::Request;
        use http_body_util::{BodyExt, Full};
        use hyper::client::conn::http1;
        use rustls::ServerConfig;
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        use tokio_rustls::TlsAcceptor;

        use super::*;
        use crate::probe::ClientTls;
        use crate::upstream::connect::certificates::Authority;

        /// Starts a backend with TLS that sends `response` after the first bytes of each request, and closes.
        async fn backend(config: ServerConfig, response: &'static [u8]) -> Target {
            let (listener, at) = silent().await;
            let acceptor = TlsAcceptor::from(Arc::new(config));
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                    let _ = stream.read(&mut [0; 512]).await;
                    let _ = stream.write_all(response).await;
                    let _ = stream.shutdown().await;
                }
            });
            target(&format!("https://localhost:{}", at.rsplit(':').next().unwrap()))
        }

        fn secure(authority: &Authority) -> Connector {
            connector().with_tls(ClientTls::new(authority.client()))
        }

        #[tokio::test]
        async fn protocol_is_negotiated() {
            let authority = Authority::new();
            let both = backend(authority.server("localhost", &["h2", "http/1.1"]), b"").await;
            let none = backend(authority.server("localhost", &[]), b"").await;
            for (target, offer, protocol) in [
                (&both, Offer::Http1, Protocol::Http1),
                (&both, Offer::Http2, Protocol::Http2),
                (&both, Offer::Negotiate, Protocol::Http2),
                (&none, Offer::Http1, Protocol::Http1),
                (&none, Offer::Negotiate, Protocol::Http1),
            ] {
                let connected = secure(&authority).connect(target, offer).await.unwrap();
                assert_eq!(connected.protocol, protocol, "{offer:?}");
            }
            let refused = secure(&authority).connect(&none, Offer::Http2).await;
            assert_eq!(kind(refused), ConnectErrorKind::NoHttp2);
        }

        #[tokio::test]
        async fn untrusted_certificate_is_refused() {
            let target = backend(Authority::new().server("localhost", &[]), b"").await;
            let refused = secure(&Authority::new()).connect(&target, Offer::Negotiate).await;
            assert_eq!(kind(refused), ConnectErrorKind::Tls);
        }

        /// The backend accepts the connection and does not answer the handshake.
        #[tokio::test]
        async fn timeout_covers_the_handshake() {
            let (_listener, at) = silent().await;
            let connector = secure(&Authority::new()).with_timeout(Duration::from_millis(50));
            let started = Instant::now();
            let error = connector.connect(&target(&format!("https://{at}")), Offer::Http1).await.unwrap_err();
            assert!(started.elapsed() < Duration::from_secs(2));
            assert_eq!(error.kind(), ConnectErrorKind::TimedOut);
            assert_eq!(io_kind(&error), Some(ErrorKind::TimedOut));
        }

        #[tokio::test]
        async fn early_response_arrives_over_tls() {
            let authority = Authority::new();
            let response = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 7\r\n\r\ntoo big";
            let target = backend(authority.server("localhost", &["http/1.1"]), response).await;
            let connector = secure(&authority);
            for size in [512 * 1024, 8 << 20].repeat(8) {
                let connected = connector.connect(&target, Offer::Http1).await.unwrap();
                let (mut sender, connection) = http1::handshake(connected.io).await.unwrap();
                tokio::spawn(connection);
                let upload = Full::new(Bytes::from(vec![0; size]));
                let response =
                    sender.send_request(Request::post("/upload").body(upload).unwrap()).await.unwrap();
                assert_eq!(response.status(), 413);
                assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "too big");
            }
        }
    }
}
