//! A gateway with TLS, and clients for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificates::Authority;
use crate::harness::{AnyBody, Gateway, empty};

pub(crate) type Stream = TlsStream<TcpStream>;

/// The name in the certificate.
pub(crate) const NAME: &str = "localhost";

/// The files of a gateway with TLS, and the authority of its certificates.
pub(crate) struct Files {
    pub(crate) dir: TempDir,
    pub(crate) authority: Authority,
}

impl Files {
    pub(crate) fn new() -> Self {
        let files = Self { dir: tempfile::tempdir().unwrap(), authority: Authority::new() };
        files.replace();
        files
    }

    /// Replaces both files by a new certificate and its key.
    pub(crate) fn replace(&self) {
        let [certificate, key] = self.authority.pem(NAME);
        self.write("certificate", &certificate);
        self.write("key", &key);
    }

    /// Writes a file as a whole: the gateway reads it at any time.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let whole = self.dir.path().join("new");
        std::fs::write(&whole, text).unwrap();
        std::fs::rename(whole, self.dir.path().join(name)).unwrap();
    }

    /// The options of a gateway with these files, and `more`.
    pub(crate) fn options(&self, more: &[&str]) -> Vec<String> {
        let [certificate, key] = ["certificate", "key"].map(|name| path(self.dir.path(), name));
        let own = ["--no-demo", "--tls-cert", &certificate, "--tls-key", &key];
        own.iter().chain(more).map(ToString::to_string).collect()
    }

    pub(crate) fn start(&self, more: &[&str]) -> Gateway {
        let options = self.options(more);
        Gateway::start(&options.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// A client that offers `protocols`.
    pub(crate) fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut config = self.authority.client();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// A client of one version of TLS.
    pub(crate) fn client_of(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        Arc::new(self.authority.client_of(&[version]))
    }

    /// Returns the certificate that a new connection gets.
    pub(crate) async fn served(&self, gateway: &Gateway) -> CertificateDer<'static> {
        let stream = connect(&gateway.data, self.client(&[])).await;
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    }
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).display().to_string()
}

/// Opens a connection.
pub(crate) async fn connect(address: &str, config: Arc<ClientConfig>) -> Stream {
    let stream = TcpStream::connect(address).await.unwrap();
    connect_on(stream, config).await
}

/// Establishes TLS on a connection.
pub(crate) async fn connect_on(stream: TcpStream, config: Arc<ClientConfig>) -> Stream {
    stream.set_nodelay(true).unwrap();
    TlsConnector::from(config).connect(NAME.try_into().unwrap(), stream).await.unwrap()
}

/// Sends `bytes`, and reads to the end of the connection, which must not be truncated.
pub(crate) async fn exchange(stream: &mut Stream, bytes: &str) -> String {
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    timeout(Duration::from_secs(15), stream.read_to_end(&mut received)).await.unwrap().unwrap();
    String::from_utf8_lossy(&received).into_owned()
}

/// A client on one connection.
#[derive(Debug)]
pub(crate) enum Sender {
    Http1(http1::SendRequest<AnyBody>),
    Http2(http2::SendRequest<AnyBody>),
}

impl Sender {
    /// Speaks the protocol that was negotiated.
    pub(crate) async fn on(stream: Stream) -> Self {
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            let io = TokioIo::new(stream);
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            return Self::Http2(sender);
        }
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self::Http1(sender)
    }

    /// Sends a request, and reads the response to its end.
    pub(crate) async fn send(&mut self, mut request: Request<AnyBody>) -> Response<Bytes> {
        request.headers_mut().insert("host", NAME.parse().unwrap());
        let response = match self {
            Self::Http1(sender) => {
                sender.ready().await.unwrap();
                sender.send_request(request).await.unwrap()
            }
            Self::Http2(sender) => {
                let path = request.uri().to_string();
                *request.uri_mut() = format!("https://{NAME}{path}").parse().unwrap();
                sender.send_request(request).await.unwrap()
            }
        };
        let (head, body) = response.into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    pub(crate) async fn get(&mut self, path: &str) -> Response<Bytes> {
        self.send(Request::get(path).body(empty()).unwrap()).await
    }
}
