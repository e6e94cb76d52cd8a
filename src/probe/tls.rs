//! TLS to backends.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, crypto::aws_lc_rs};
use rustls_platform_verifier::BuilderVerifierExt;
use thiserror::Error;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::protocol::{Offer, Protocol};
use super::stream::GuardedStream;

/// TLS for connections to `https` backends: which certificates are trusted, and which one is shown.
///
/// | part | value |
/// | --- | --- |
/// | trusted certificates | by the system after [`platform`](Self::platform), else by the [`ClientConfig`] |
/// | certificate of the client | none, or the one in the [`ClientConfig`] |
/// | name that is checked, and sent as SNI | the host of the version's URL. An address is checked and not sent |
/// | protocol (ALPN) | set for each connection: `h2`, `http/1.1` or both. What the [`ClientConfig`] has is replaced |
///
/// The client for backends and the [`HttpProbe`](super::HttpProbe::with_tls) should have the same. A clone shares all
/// parts, among them the tickets of sessions that can be resumed.
///
/// A client certificate, and the certificate authority of the backends:
///
/// ```
/// use rustls::pki_types::{CertificateDer, PrivateKeyDer};
/// use rustls::{ClientConfig, RootCertStore};
/// use tower_canary::upstream::ClientTls;
///
/// fn mutual_tls(
///     authority: CertificateDer<'static>,
///     own: Vec<CertificateDer<'static>>,
///     key: PrivateKeyDer<'static>,
/// ) -> Result<ClientTls, rustls::Error> {
///     let mut roots = RootCertStore::empty();
///     roots.add(authority)?;
///     let provider = rustls::crypto::aws_lc_rs::default_provider();
///     let config = ClientConfig::builder_with_provider(provider.into())
///         .with_safe_default_protocol_versions()?
///         .with_root_certificates(roots)
///         .with_client_auth_cert(own, key)?;
///     Ok(ClientTls::new(config))
/// }
/// ```
#[derive(Clone)]
pub struct ClientTls {
    http1: TlsConnector,
    http2: TlsConnector,
    negotiate: TlsConnector,
}

/// TLS could not be established.
#[derive(Debug, Error)]
#[error("the TLS handshake failed")]
pub(crate) struct HandshakeFailed(#[source] io::Error);

impl ClientTls {
    /// Creates TLS that trusts the certificates that the system trusts, and shows no certificate.
    ///
    /// It reads the certificates of the system once: on Linux from files, which `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    ///
    /// ```
    /// use tower_canary::probe::{HttpProbe, UrlPolicy};
    /// use tower_canary::upstream::ClientTls;
    ///
    /// # fn probe() -> Result<(), rustls::Error> {
    /// let probe = HttpProbe::new(UrlPolicy::new()).with_tls(ClientTls::platform()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`rustls::Error`] if the system has no certificates.
    pub fn platform() -> Result<Self, rustls::Error> {
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_platform_verifier()?
            .with_no_client_auth();
        Ok(Self::new(config))
    }

    /// Creates TLS with a configuration of the application, for its own certificates.
    ///
    /// See [`ClientTls`] for an example.
    pub fn new(config: impl Into<Arc<ClientConfig>>) -> Self {
        let config = config.into();
        Self {
            http1: connector(&config, &["http/1.1"]),
            http2: connector(&config, &["h2"]),
            negotiate: connector(&config, &["h2", "http/1.1"]),
        }
    }

    /// Establishes TLS on a connection to `host`, the host of a URL.
    pub(crate) async fn handshake(
        &self,
        host: &str,
        stream: GuardedStream,
        offer: Offer,
    ) -> Result<TlsStream<GuardedStream>, HandshakeFailed> {
        let name = server_name(host)
            .ok_or_else(|| HandshakeFailed(io::Error::new(ErrorKind::InvalidInput, "the host is no name")))?;
        let connector = match offer {
            Offer::Http1 => &self.http1,
            Offer::Http2 => &self.http2,
            Offer::Negotiate => &self.negotiate,
        };
        connector.connect(name, stream).await.map_err(HandshakeFailed)
    }
}

impl HandshakeFailed {
    /// Returns whether the backend's certificate was refused.
    pub(super) fn is_certificate_refused(&self) -> bool {
        let error = self.0.get_ref().and_then(|error| error.downcast_ref());
        matches!(error, Some(rustls::Error::InvalidCertificate(_)))
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}

/// Returns the protocol that the backend has chosen. One that knows no ALPN speaks HTTP/1.1.
pub(crate) fn negotiated_protocol(stream: &TlsStream<GuardedStream>) -> Protocol {
    let (_, session) = stream.get_ref();
    match session.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    }
}

/// Creates a connector that offers these protocols by ALPN.
fn connector(config: &Arc<ClientConfig>, protocols: &[&str]) -> TlsConnector {
    let mut config = ClientConfig::clone(config);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

/// Returns the name in the certificate for `host`: without the brackets of an IPv6 address, and without a dot at the
/// end, which certificates do not have (RFC 6066, 3). `None`: `host` is neither a name nor an address.
fn server_name(host: &str) -> Option<ServerName<'static>> {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let name = address.unwrap_or_else(|| host.strip_suffix('.').unwrap_or(host));
    ServerName::try_from(name.to_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::server_name;

    #[test]
    fn server_name_is_as_in_certificates() {
        for (host, name) in [
            ("auth.internal", "auth.internal"),
            ("auth.internal.", "auth.internal"),
            ("auth_1", "auth_1"),
            ("10.0.0.1", "10.0.0.1"),
            ("[2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(server_name(host).unwrap().to_str(), name, "{host}");
        }
        assert!(server_name("").is_none());
    }
}
