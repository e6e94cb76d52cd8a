//! TLS to clients, by rustls: the certificate, its replacement while the gateway runs, and the handshake.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clap::Args;
use http::uri::Scheme;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, ServerConfig};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::failure::Failure;
use crate::limits::HANDSHAKE_TIMEOUT;

/// The protocols that are offered (ALPN), the preferred one first.
const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

/// Interval in which the files are read again. They are small, and their content is compared: a time of change can stay the
/// same while a link to another file appears, as in a volume of Kubernetes.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

// `Debug` is not derived: it would print the private key.
/// The options of TLS to clients.
#[derive(Args)]
pub(crate) struct TlsOptions {
    /// File with the certificate for clients and its chain, in PEM: clients then speak TLS, with HTTP/1.1 or HTTP/2. A changed
    /// file is read again
    #[arg(long, value_name = "FILE", env = "CANARY_TLS_CERT")]
    tls_cert: Option<PathBuf>,

    /// File with the private key of the certificate, in PEM and not encrypted
    #[arg(long, value_name = "FILE", env = "CANARY_TLS_KEY")]
    tls_key: Option<PathBuf>,

    /// What the files contained at the start.
    #[arg(skip)]
    loaded: Option<Arc<Tls>>,
}

/// TLS with a certificate from files.
pub(crate) struct Tls {
    files: Files,
    pem: Pem,
    certificate: Arc<Certificate>,
    config: Arc<ServerConfig>,
}

/// Where the certificate and its key are.
#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// The content of the files.
#[derive(Clone, PartialEq, Eq)]
struct Pem {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// The certificate for new connections.
#[derive(Debug)]
struct Certificate(ArcSwap<CertifiedKey>);

impl TlsOptions {
    /// Reads the files, if they are set.
    pub(crate) fn load(&mut self) -> Result<(), Failure> {
        self.loaded = match (&self.tls_cert, &self.tls_key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                let files = Files { certificate: certificate.clone(), key: key.clone() };
                Some(Arc::new(Tls::load(files)?))
            }
            (Some(_), None) => {
                return Err(Failure::from_text("--tls-cert needs --tls-key: the key of the certificate"));
            }
            (None, Some(_)) => {
                return Err(Failure::from_text("--tls-key needs --tls-cert: the certificate of the key"));
            }
        };
        Ok(())
    }

    /// Returns the certificate and its files, or `None` if clients speak plain HTTP.
    pub(crate) fn loaded(&self) -> Option<&Arc<Tls>> {
        self.loaded.as_ref()
    }

    /// Returns the scheme that clients use.
    pub(crate) fn scheme(&self) -> Scheme {
        if self.loaded.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
    }
}

impl Tls {
    fn load(files: Files) -> Result<Self, Failure> {
        let pem = files.read()?;
        let certificate = Arc::new(Certificate(ArcSwap::from_pointee(files.parse(&pem)?)));
        let config = config(Arc::clone(&certificate))
            .map_err(|error| Failure::new("cannot set TLS up", &error))?
            .into();
        Ok(Self { files, pem, certificate, config })
    }

    /// Returns the configuration of each connection. It stays the same when the certificate changes, so sessions of earlier
    /// connections can be resumed.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Replaces the certificate when the files change. If they cannot be used, the earlier certificate stays, with one warning.
    pub(crate) async fn follow_files(self: Arc<Self>) {
        let mut seen = Ok(self.pem.clone());
        let mut refused = None;
        let mut ticks = interval(CHECK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let files = self.files.clone();
            let Ok(read) = spawn_blocking(move || files.read()).await else { return };
            if read != seen {
                refused = self.replace(&read).err();
                seen = read;
            } else if let Some(failure) = refused.take() {
                // Two files are not replaced at the same moment, so a pair is only a mistake if it is the same in the next check.
                warn_of(&failure);
            }
        }
    }

    /// Uses the certificate in `read` for new connections.
    fn replace(&self, read: &Result<Pem, Failure>) -> Result<(), Failure> {
        let certified = self.files.parse(read.as_ref().map_err(Failure::clone)?)?;
        self.certificate.0.store(Arc::new(certified));
        tracing::info!("the TLS certificate is replaced");
        Ok(())
    }
}

fn warn_of(failure: &Failure) {
    tracing::warn!(%failure, "the TLS certificate is not replaced");
}

/// Returns the settings of rustls. Sessions are resumed by tickets (TLS 1.2 and 1.3) and by their id (TLS 1.2). Early data is
/// refused, as it can be replayed.
fn config(certificate: Arc<Certificate>) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = PROTOCOLS.map(|protocol| protocol.as_bytes().to_vec()).into();
    config.ticketer = Ticketer::new()?;
    Ok(config)
}

/// Establishes TLS with a client.
pub(crate) async fn handshake(
    config: Arc<ServerConfig>,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(config).accept(stream)).await?
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Files {
    fn read(&self) -> Result<Pem, Failure> {
        Ok(Pem { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }

    fn parse(&self, pem: &Pem) -> Result<CertifiedKey, Failure> {
        let [certificate, key] = [&self.certificate, &self.key].map(|path| path.display());
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem.certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::new(format!("cannot read the certificate in {certificate}"), &error))?;
        if chain.is_empty() {
            return Err(Failure::from_text(&format!("there is no certificate in PEM in {certificate}")));
        }
        let private = PrivateKeyDer::from_pem_slice(&pem.key).map_err(|error| match error {
            PemError::NoItemsFound => {
                Failure::from_text(&format!("there is no unencrypted private key in PEM in {key}"))
            }
            error => Failure::new(format!("cannot read the private key in {key}"), &error),
        })?;
        let signing = default_provider()
            .key_provider
            .load_private_key(private)
            .map_err(|error| Failure::new(format!("cannot use the private key in {key}"), &error))?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(Error::InconsistentKeys(_)) => Err(Failure::from_text(&format!(
                "the private key in {key} does not belong to the certificate in {certificate}"
            ))),
            Err(error) => Err(Failure::new(format!("cannot use the certificate in {certificate}"), &error)),
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::new(format!("cannot read {}", file.display()), &error))
}
