//! TLS to backends, as the probe sees it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::{ClientConfig, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower_canary::deployments::{Unhealthy, VersionCheck};
use tower_canary::probe::{HttpProbe, UrlPolicy};
use tower_canary::upstream::ClientTls;

use crate::certificates::Authority;

/// What a backend saw of a request: the name of the handshake (SNI), and the protocol.
type Seen = Arc<Mutex<Vec<(Option<String>, http::Version)>>>;

/// Starts a backend with TLS that responds 204. Returns its port.
async fn backend(config: ServerConfig) -> (u16, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let name = stream.get_ref().1.server_name().map(str::to_owned);
            let log = Arc::clone(&log);
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                log.lock().unwrap().push((name.clone(), request.version()));
                async { Response::builder().status(204).body(Empty::<Bytes>::new()) }
            });
            tokio::spawn(async move {
                let _ =
                    Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (port, seen)
}

async fn probe(config: ClientConfig, url: &str) -> Result<u16, Unhealthy> {
    let http = HttpProbe::new(UrlPolicy::new().allow_loopback()).with_tls(ClientTls::new(config));
    http.probe(&url.parse().unwrap(), None).await.map(|healthy| healthy.unwrap().status)
}

fn unreachable(cause: &str) -> Result<u16, Unhealthy> {
    Err(Unhealthy::Unreachable(cause.to_owned()))
}

#[tokio::test]
async fn backend_chooses_the_protocol() {
    let authority = Authority::new();
    for (protocols, version) in [
        (&["h2", "http/1.1"][..], http::Version::HTTP_2),
        (&["h2"], http::Version::HTTP_2),
        (&["http/1.1"], http::Version::HTTP_11),
        (&[], http::Version::HTTP_11),
    ] {
        let (port, seen) = backend(authority.server("localhost", protocols)).await;
        assert_eq!(probe(authority.client(), &format!("https://localhost:{port}/x")).await, Ok(204));
        assert_eq!(*seen.lock().unwrap(), [(Some("localhost".to_owned()), version)], "{protocols:?}");
    }
}

// An address is in the certificate, and is not sent as a name (RFC 6066, 3).
#[tokio::test]
async fn address_is_checked_and_not_sent() {
    let authority = Authority::new();
    let (port, seen) = backend(authority.server("127.0.0.1", &[])).await;
    assert_eq!(probe(authority.client(), &format!("https://127.0.0.1:{port}")).await, Ok(204));
    assert_eq!(seen.lock().unwrap()[0].0, None);
}

#[tokio::test]
async fn wrong_certificates_are_refused() {
    let authority = Authority::new();
    let (port, seen) = backend(authority.server("other.example", &[])).await;
    let url = format!("https://localhost:{port}");
    assert_eq!(probe(authority.client(), &url).await, unreachable("its certificate is not trusted"));
    let (port, _) = backend(Authority::new().server("localhost", &[])).await;
    let url = format!("https://localhost:{port}");
    assert_eq!(probe(authority.client(), &url).await, unreachable("its certificate is not trusted"));
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn client_certificate_is_shown() {
    let authority = Authority::new();
    let (port, _) = backend(authority.strict_server("localhost")).await;
    let url = format!("https://localhost:{port}");
    assert_eq!(probe(authority.client_with_certificate(), &url).await, Ok(204));
    assert!(matches!(probe(authority.client(), &url).await, Err(Unhealthy::Unreachable(_))));
}

#[tokio::test]
async fn plain_backend_fails_the_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    assert_eq!(probe(Authority::new().client(), &url).await, unreachable("the TLS handshake failed"));
}

// The system does not trust the authority of this test, whether it has certificates or none.
#[tokio::test]
async fn platform_trusts_no_stranger() {
    let (port, _) = backend(Authority::new().server("localhost", &[])).await;
    let Ok(tls) = ClientTls::platform() else { return };
    let http = HttpProbe::new(UrlPolicy::new().allow_loopback()).with_tls(tls);
    let probed = http.probe(&format!("https://localhost:{port}").parse().unwrap(), None).await;
    assert_eq!(probed.map(drop), unreachable("its certificate is not trusted").map(drop));
}

#[test]
fn tls_admits_https() {
    let plain = HttpProbe::new(UrlPolicy::new().allow_https());
    let strict = HttpProbe::new(UrlPolicy::new());
    let secure = strict.clone().with_tls(ClientTls::new(Authority::new().client()));
    let admits = |url: &str| {
        let backend = url.parse().unwrap();
        [strict.admit(&backend), plain.admit(&backend), secure.admit(&backend)]
            .map(|admitted| admitted.is_ok())
    };
    assert_eq!(admits("https://auth.internal"), [false, true, true]);
    assert_eq!(admits("https://127.0.0.1"), [false, false, false]);
    assert_eq!(admits("http://auth.internal"), [true, true, true]);
}
