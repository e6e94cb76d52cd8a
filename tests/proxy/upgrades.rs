//! WebSockets and other upgrades, byte by byte.

use std::convert::Infallible;
use std::future::{pending, ready};

use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tower::{ServiceExt, service_fn};
use tower_canary::proxy::{Bridge, Proxy, RequestBody};
use tower_canary::routing::Change;

use crate::support::{Backend, Gateway, expect, head, is_closed, is_silent};

/// The handshake of RFC 6455, 1.3.
const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nhost: shop\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
                         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                      sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const PLAIN: &str = "GET / HTTP/1.1\r\nhost: shop\r\n\r\n";

async fn tunnel(gateway: &Gateway, backend: &mut Backend) -> (TcpStream, TcpStream) {
    let mut client = gateway.send(HANDSHAKE).await;
    let (_, server) = backend.answer(AGREED).await;
    assert!(head(&mut client).await.starts_with("http/1.1 101"));
    (client, server)
}

#[tokio::test]
async fn handshake_and_bytes_pass_both_ways() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::upgrading(&[backend.address]).await;
    let mut client = gateway.send(HANDSHAKE).await;
    let (asked, mut server) = backend.answer(AGREED).await;
    for line in ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", "via: 1.1 canary-"]
    {
        assert!(asked.contains(line), "{line}: {asked}");
    }
    assert!(asked.contains("sec-websocket-key: dghlihnhbxbszsbub25jzq=="), "{asked}");
    let agreed = head(&mut client).await;
    for line in ["http/1.1 101", "connection: upgrade", "upgrade: websocket", "sec-websocket-accept: s3p"] {
        assert!(agreed.contains(line), "{line}: {agreed}");
    }
    for i in 0..100 {
        client.write_all(format!("\0\r\n\r\n ping {i}").as_bytes()).await.unwrap();
        expect(&mut server, &format!("\0\r\n\r\n ping {i}")).await;
        server.write_all(format!("pong {i}").as_bytes()).await.unwrap();
        expect(&mut client, &format!("pong {i}")).await;
    }
}

// Its request is in flight until both directions are closed.
#[tokio::test]
async fn tunnel_stays_with_its_version() {
    let mut old = Backend::start().await;
    let mut new = Backend::start().await;
    let mut gateway = Gateway::upgrading(&[old.address, new.address]).await;
    let (mut client, mut server) = tunnel(&gateway, &mut old).await;
    gateway.change(&Change::switch("v2".parse().unwrap()));
    let mut other = gateway.send(PLAIN).await;
    new.answer(OK).await;
    assert!(head(&mut other).await.starts_with("http/1.1 200"));
    expect(&mut other, "ok").await;
    gateway.idle("v2").await;

    client.write_all(b"still here").await.unwrap();
    expect(&mut server, "still here").await;
    assert_eq!(gateway.in_flight("v1"), 1);
    // A half-close does not end the tunnel: the rest of the server's bytes arrives.
    client.shutdown().await.unwrap();
    assert!(is_closed(&mut server).await);
    assert_eq!(gateway.in_flight("v1"), 1);
    server.write_all(b"bye").await.unwrap();
    expect(&mut client, "bye").await;
    drop(server);
    assert!(is_closed(&mut client).await);
    gateway.idle("v1").await;
}

#[tokio::test]
async fn closing_one_side_closes_the_tunnel() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::upgrading(&[backend.address]).await;
    for who in ["client", "backend"] {
        let (client, server) = tunnel(&gateway, &mut backend).await;
        assert_eq!(gateway.in_flight("v1"), 1);
        let (gone, mut left) = if who == "client" { (client, server) } else { (server, client) };
        // Unread bytes turn the close into a reset.
        left.write_all(&[b'x'; 64]).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        drop(gone);
        assert!(is_closed(&mut left).await, "{who}");
        drop(left);
        gateway.idle("v1").await;
    }
}

#[tokio::test]
async fn no_bytes_pass_before_the_101() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::upgrading(&[backend.address]).await;
    let mut client = gateway.send(&format!("{HANDSHAKE}early")).await;
    let (_, mut server) = backend.next().await;
    assert!(is_silent(&mut server).await);
    server.write_all(AGREED.as_bytes()).await.unwrap();
    expect(&mut server, "early").await;
    assert!(head(&mut client).await.starts_with("http/1.1 101"));
}

// The backend that refused does not read its bytes.
#[tokio::test]
async fn next_request_follows_refused_upgrade() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::upgrading(&[backend.address]).await;
    for refusal in ["200 OK", "400 Bad Request", "426 Upgrade Required"] {
        let mut client = gateway.send(&format!("{HANDSHAKE}{PLAIN}")).await;
        let refused = format!("HTTP/1.1 {refusal}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
        let (_, mut server) = backend.answer(&refused).await;
        let answer = head(&mut client).await;
        assert!(answer.starts_with(&format!("http/1.1 {}", refusal.to_lowercase())), "{answer}");
        assert!(!answer.contains("upgrade:"), "{answer}");
        expect(&mut client, "no").await;
        assert!(is_closed(&mut server).await, "{refusal}");
        let (next, _server) = backend.answer(OK).await;
        assert!(next.starts_with("get / http/1.1") && !next.contains("upgrade"), "{next}");
        assert!(head(&mut client).await.starts_with("http/1.1 200"));
        expect(&mut client, "ok").await;
    }
    gateway.idle("v1").await;
}

#[tokio::test]
async fn mismatched_101_is_502() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::upgrading(&[backend.address]).await;
    let no_key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let chat = "upgrade: chat";
    for (request, answer) in [
        (PLAIN.to_owned(), AGREED.to_owned()),
        (HANDSHAKE.to_owned(), AGREED.replace("upgrade: websocket", chat)),
        (HANDSHAKE.to_owned(), AGREED.replace("upgrade: websocket\r\n", "")),
        (HANDSHAKE.to_owned(), AGREED.replace("upgrade: websocket", "upgrade: websocket, h2c")),
        (
            HANDSHAKE.replace("upgrade: websocket", "upgrade: h2c, websocket"),
            AGREED.replace("upgrade: websocket", "upgrade: h2c, websocket"),
        ),
        (HANDSHAKE.to_owned(), AGREED.replace("s3pPLMBi", "xxxxxxxx")),
        (HANDSHAKE.to_owned(), AGREED.replace("sec-websocket-accept", "x-accept")),
        (HANDSHAKE.replace(no_key, ""), AGREED.to_owned()),
        (HANDSHAKE.replace("upgrade: websocket", chat), AGREED.to_owned()),
    ] {
        let mut client = gateway.send(&request).await;
        let (_, mut server) = backend.answer(&answer).await;
        let message = head(&mut client).await;
        assert!(message.starts_with("http/1.1 502"), "{request}{answer}{message}");
        assert!(is_closed(&mut server).await);
    }
    gateway.idle("v1").await;
}

// hyper's server removes the length: a client would take the first bytes of the tunnel for a body.
#[tokio::test]
async fn tunnel_has_no_length() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::upgrading(&[backend.address]).await;
    for framing in ["content-length: 5\r\n", "transfer-encoding: chunked\r\n"] {
        let mut client = gateway.send(HANDSHAKE).await;
        let agreed = AGREED.replace("connection:", &format!("{framing}connection:"));
        let (_, _server) = backend.answer(&format!("{agreed}hello")).await;
        let message = head(&mut client).await;
        assert!(message.starts_with("http/1.1 101"), "{message}");
        assert!(!message.contains("content-length") && !message.contains("transfer-encoding"), "{message}");
        expect(&mut client, "hello").await;
    }
}

#[tokio::test]
async fn any_protocol_can_be_upgraded_to() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::upgrading(&[backend.address]).await;
    let mut client = gateway
        .send("GET / HTTP/1.1\r\nhost: shop\r\nconnection: upgrade\r\nupgrade: chat/2, chat/1\r\n\r\n")
        .await;
    let (asked, mut server) = backend
        .answer("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: CHAT/1\r\n\r\nhello")
        .await;
    assert!(asked.contains("upgrade: chat/2, chat/1\r\n"), "{asked}");
    assert!(head(&mut client).await.contains("upgrade: chat/1\r\n"));
    expect(&mut client, "hello").await;
    client.write_all(b"hello yourself").await.unwrap();
    expect(&mut server, "hello yourself").await;
}

#[tokio::test]
async fn http_and_tls_upgrades_are_dropped() {
    let mut backend = Backend::start().await;
    let gateway = Gateway::upgrading(&[backend.address]).await;
    for (asked, passed) in [
        ("h2c", ""),
        ("H2C, HTTP/2.0, TLS/1.2", ""),
        ("h2c, websocket", "upgrade: websocket\r\n"),
        ("websocket h2c", ""),
    ] {
        let request =
            HANDSHAKE.replace("upgrade: websocket", &format!("upgrade: {asked}\r\nhttp2-settings: AA"));
        let request = request.replace("keep-alive, Upgrade", "Upgrade, HTTP2-Settings");
        let _client = gateway.send(&request).await;
        let (seen, _server) = backend.answer(OK).await;
        let line = seen.lines().find(|line| line.starts_with("upgrade:")).unwrap_or_default();
        assert_eq!(line, passed.trim_end(), "{seen}");
        assert!(!seen.contains("h2c") && !seen.contains("http2-settings"), "{seen}");
    }
}

// The request has a body or uses HTTP/1.0, or the proxy has no executor.
#[tokio::test]
async fn unsupported_upgrade_is_a_plain_request() {
    let mut backend = Backend::start().await;
    let upgrading = Gateway::upgrading(&[backend.address]).await;
    let plain = Gateway::start(&[backend.address], |proxy| proxy).await;
    let with_body = HANDSHAKE.replace("\r\n\r\n", "\r\ncontent-length: 4\r\n\r\nbody");
    for (gateway, request) in [
        (&upgrading, with_body),
        (&upgrading, HANDSHAKE.replace("HTTP/1.1", "HTTP/1.0")),
        (&upgrading, HANDSHAKE.replace("keep-alive, Upgrade", "keep-alive")),
        (&plain, HANDSHAKE.to_owned()),
    ] {
        let mut client = gateway.send(&request).await;
        let (seen, _server) = backend.answer(OK).await;
        assert!(!seen.contains("upgrade"), "{seen}");
        assert!(head(&mut client).await.contains(" 200 ok"));
    }
}

/// An upgrade whose connection is never released, and the sender that holds it back.
async fn never() -> (OnUpgrade, tokio::io::DuplexStream) {
    let (mut client, server) = tokio::io::duplex(1_024);
    let (send, mut upgrades) = mpsc::channel(1);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let send = send.clone();
        let upgrade = hyper::upgrade::on(&mut request);
        async move {
            send.send(upgrade).await.unwrap();
            pending::<Result<Response<String>, Infallible>>().await
        }
    });
    let builder = hyper::server::conn::http1::Builder::new();
    tokio::spawn(builder.serve_connection(TokioIo::new(server), service).with_upgrades());
    client.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    (upgrades.recv().await.unwrap(), client)
}

/// Hands the futures to the test.
struct Handed(mpsc::UnboundedSender<Bridge>);

impl Executor<Bridge> for Handed {
    fn execute(&self, bridge: Bridge) {
        self.0.send(bridge).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn incomplete_upgrade_ends_after_5_s() {
    let ((of_client, _client), (of_backend, _backend)) = (never().await, never().await);
    let agreeing = service_fn(move |_: Request<RequestBody<String>>| {
        let answer = Response::builder().status(101).header("upgrade", "chat").extension(of_backend.clone());
        ready(answer.body(String::new()))
    });
    let (hand, mut bridges) = mpsc::unbounded_channel();
    let request = Request::get("/").header("host", "shop").header("connection", "upgrade");
    let request = request.header("upgrade", "chat").extension(of_client).body(String::new()).unwrap();
    let answer = Proxy::new(agreeing).with_upgrades(Handed(hand)).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    let start = Instant::now();
    bridges.recv().await.unwrap().await;
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn extended_connect_is_501() {
    let backend = Backend::start().await;
    let gateway = Gateway::upgrading(&[backend.address]).await;
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let io = TokioIo::new(gateway.connect().await);
    let (mut client, connection) = builder.handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = || {
        Request::connect(format!("http://{}/chat", gateway.address))
            .version(Version::HTTP_2)
            .extension(hyper::ext::Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .body(String::new())
            .unwrap()
    };
    // The client refuses it until the settings of the server have announced extended CONNECT.
    for _ in 0..1_000 {
        if let Ok(answer) = client.send_request(request()).await {
            return assert_eq!(answer.status(), StatusCode::NOT_IMPLEMENTED);
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the server does not announce extended CONNECT");
}
