//! Certificates that are made when a test runs, and TLS with them.

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine};
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, DEFAULT_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A client that trusts this authority and shows no certificate.
    pub(crate) fn client(&self) -> ClientConfig {
        self.client_of(DEFAULT_VERSIONS)
    }

    /// The same with these versions of TLS.
    pub(crate) fn client_of(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions);
        builder.unwrap().with_root_certificates(self.roots()).with_no_client_auth()
    }

    /// A client that trusts this authority and shows a certificate of it.
    pub(crate) fn client_with_certificate(&self) -> ClientConfig {
        let (certificate, key) = self.issue("client");
        let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.unwrap().with_root_certificates(self.roots());
        builder.with_client_auth_cert(vec![certificate], key).unwrap()
    }

    /// A server for `name`, which speaks `protocols`.
    pub(crate) fn server(&self, name: &str, protocols: &[&str]) -> ServerConfig {
        let (certificate, key) = self.issue(name);
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.unwrap().with_no_client_auth();
        with_protocols(builder.with_single_cert(vec![certificate], key).unwrap(), protocols)
    }

    /// A server for `name` that requires a client certificate of this authority.
    pub(crate) fn strict_server(&self, name: &str) -> ServerConfig {
        let (certificate, key) = self.issue(name);
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots().into(), provider());
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.unwrap().with_client_cert_verifier(verifier.build().unwrap());
        builder.with_single_cert(vec![certificate], key).unwrap()
    }

    /// A certificate for `name` and its key, in PEM.
    pub(crate) fn pem(&self, name: &str) -> [String; 2] {
        let (certificate, key) = self.signed(name);
        [encode("CERTIFICATE", certificate.der()), encode("PRIVATE KEY", &key.serialize_der())]
    }

    fn issue(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let (certificate, key) = self.signed(name);
        (certificate.into(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }

    fn signed(&self, name: &str) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate, key)
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

/// Returns PEM.
fn encode(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}

fn with_protocols(mut config: ServerConfig, protocols: &[&str]) -> ServerConfig {
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

fn provider() -> Arc<CryptoProvider> {
    aws_lc_rs::default_provider().into()
}
