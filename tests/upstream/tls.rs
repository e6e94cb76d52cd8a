//! The protocol that a server behind TLS chooses.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, Response, Version};
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower_canary::probe::UrlPolicy;
use tower_canary::upstream::{Client, ClientTls, Http2};

use crate::certificates::Authority;
use crate::support::{AnyClient, Backend, expect_ok, fetch, full, send};
use crate::wait::wait_until;

/// A backend that chooses `protocol`, and responds with `ok`.
async fn backend(authority: &Authority, protocol: &'static str) -> Backend {
    changing(authority, protocol, protocol).await
}

/// A backend that chooses `first` on its first connection and `then` on others, and responds with `ok`.
async fn changing(authority: &Authority, first: &'static str, then: &'static str) -> Backend {
    serving(authority, [first, then], |mut stream| async move {
        if stream.get_ref().1.alpn_protocol() == Some(&b"h2"[..]) {
            let mut accepting = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut respond))) = accepting.accept().await {
                let mut body = respond.send_response(Response::new(()), false).unwrap();
                body.send_data(Bytes::from_static(b"ok"), true).unwrap();
            }
            return;
        }
        // No test sends two requests at once, or a large one.
        while stream.read(&mut [0; 4_096]).await.is_ok_and(|count| count > 0) {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        }
    })
    .await
}

/// A backend that serves its connections by `serve`. It offers one protocol on its first connection, one on the others.
async fn serving<F>(
    authority: &Authority,
    protocols: [&'static str; 2],
    serve: impl Fn(TlsStream<TcpStream>) -> F + Clone + Send + 'static,
) -> Backend
where
    F: Future<Output = ()> + Send,
{
    let acceptors =
        protocols.map(|protocol| TlsAcceptor::from(Arc::new(authority.server("localhost", &[protocol]))));
    let mut backend = Backend::start(move |connection, number| {
        let acceptor = acceptors[number.min(1)].clone();
        let serve = serve.clone();
        async move {
            let Ok(stream) = acceptor.accept(connection.stream.into_inner()).await else { return };
            serve(stream).await;
        }
    })
    .await;
    backend.url = backend.url.replace("http://127.0.0.1", "https://localhost");
    backend
}

fn client(authority: &Authority) -> AnyClient {
    let policy = UrlPolicy::new().allow_loopback();
    Client::new(policy, TokioExecutor::new()).with_tls(ClientTls::new(authority.client()))
}

#[tokio::test]
async fn servers_choose_the_protocol() {
    let authority = Authority::new();
    for (protocol, version) in [("h2", Version::HTTP_2), ("http/1.1", Version::HTTP_11)] {
        let backend = backend(&authority, protocol).await;
        let client = client(&authority);
        let burst = join_all((0..20).map(|_| fetch(&client, backend.get()))).await;
        assert!(burst.iter().all(Result::is_ok), "{protocol}: {burst:?}");
        assert_eq!(backend.connections() == 1, protocol == "h2", "{}", backend.connections());
        assert_eq!(send(&client, backend.get()).await.unwrap().version(), version);
        // A gRPC call takes what there is.
        let call = backend.call(crate::support::empty());
        assert_eq!(send(&client, call).await.unwrap().version(), version);
    }
}

/// The requests that wait for the one protocol use the other one.
#[tokio::test]
async fn changed_protocols_are_followed() {
    let authority = Authority::new();
    for (first, then) in [("http/1.1", "h2"), ("h2", "http/1.1")] {
        let backend = changing(&authority, first, then).await;
        let client = client(&authority).with_max_connections(1).with_idle_timeout(Duration::from_secs(1));
        expect_ok(&client, backend.get()).await;
        wait_until(Duration::from_secs(10), "closed", async || client.connections()[0].open == 0).await;
        let burst = join_all((0..20).map(|_| fetch(&client, backend.get()))).await;
        assert!(burst.iter().all(Result::is_ok), "{first} {then}: {burst:?}");
        assert!(backend.connections() < 5, "{first} {then}: {}", backend.connections());
    }
}

#[tokio::test]
async fn http2_can_be_switched_off() {
    let authority = Authority::new();
    let backend = backend(&authority, "http/1.1").await;
    let client = client(&authority).with_http2(Http2::Never);
    assert_eq!(send(&client, backend.get()).await.unwrap().version(), Version::HTTP_11);
}

/// A process that is killed ends TCP and not TLS.
#[tokio::test]
async fn lost_requests_are_repeated_over_tls() {
    let authority = Authority::new();
    let backend = serving(&authority, ["http/1.1"; 2], |mut stream| async move {
        let _ = stream.read(&mut [0; 4_096]).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        // The second request.
        let _ = stream.read(&mut [0; 4_096]).await;
    })
    .await;
    let client = client(&authority);
    expect_ok(&client, backend.get()).await;
    expect_ok(&client, backend.get()).await;
    assert_eq!(backend.connections(), 2);
    let post = backend.request(Method::POST, "/");
    assert!(send(&client, post).await.is_err(), "a POST may have been processed");
    assert_eq!(backend.connections(), 2);
}

/// The backend takes no byte any more, so the end of TLS cannot be written.
#[tokio::test]
async fn abandoned_uploads_over_tls_end() {
    let authority = Authority::new();
    let backend = serving(&authority, ["http/1.1"; 2], |mut stream| async move {
        let _ = stream.read(&mut [0; 4_096]).await;
        std::future::pending::<()>().await;
    })
    .await;
    let client = client(&authority).with_idle_timeout(Duration::from_millis(200));
    let upload = send(&client, backend.post(full(vec![0; 64 << 20])));
    assert!(tokio::time::timeout(Duration::from_secs(1), upload).await.is_err());
    wait_until(Duration::from_secs(5), "closed", async || {
        client.connections().iter().all(|figures| figures.open == 0)
    })
    .await;
}

#[tokio::test]
async fn unknown_authorities_are_not_trusted() {
    let backend = backend(&Authority::new(), "h2").await;
    let error = send(&client(&Authority::new()), backend.get()).await.unwrap_err();
    assert!(error.is_connect() && !error.is_timeout(), "{error:?}");
}
