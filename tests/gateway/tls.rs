//! TLS between clients and the gateway.

use std::time::{Duration, Instant};

use futures_util::SinkExt;
use http::{Request, StatusCode, Version};
use http_body_util::BodyExt;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::backends::{Backend, Held, backend, echo, named_backend, websocket};
use crate::clients::{RawClient, raw};
use crate::harness::{Gateway, full};
use crate::sockets::receive;
use crate::tls_client::{Files, Sender, Stream, connect, connect_on, exchange};
use crate::wait::wait_until;

const SECOND: Duration = Duration::from_secs(1);

/// A request after which the gateway closes.
const LAST: &str = "GET /auth/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

async fn gateway(options: &[&str], backend: &Backend) -> (Gateway, Files) {
    let files = Files::new();
    let gateway = files.start(options);
    gateway.register("auth", "v1", &backend.url).await;
    (gateway, files)
}

#[tokio::test]
async fn clients_choose_the_protocol() {
    let echo = echo().await;
    let (gateway, files) = gateway(&[], &echo).await;
    for (offered, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let stream = connect(&gateway.data, files.client(offered)).await;
        let chosen = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(chosen, offered.first().map(|protocol| protocol.as_bytes().to_vec()));
        let response = Sender::on(stream).await.get("/auth/").await;
        assert_eq!((response.status(), response.version()), (StatusCode::OK, version));
        let received = String::from_utf8_lossy(response.body());
        assert!(received.contains("x-forwarded-proto: https\n"), "{received}");
        assert!(received.contains("x-forwarded-for: 127.0.0.1\n"), "{received}");
    }
}

#[tokio::test]
async fn unknown_protocols_are_refused() {
    let echo = echo().await;
    let (gateway, files) = gateway(&[], &echo).await;
    let stream = TcpStream::connect(&gateway.data).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(files.client(&["spdy/1"]));
    let refused = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap_err();
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
}

#[tokio::test]
async fn large_bodies_pass_by_tls() {
    let same = backend(|request| async move {
        http::Response::new(full(request.into_body().collect().await.unwrap().to_bytes()))
    })
    .await;
    let (gateway, files) = gateway(&[], &same).await;
    let mut body = vec![0; 8 << 20];
    StdRng::seed_from_u64(3).fill_bytes(&mut body);
    for protocol in ["http/1.1", "h2"] {
        let mut sender = Sender::on(connect(&gateway.data, files.client(&[protocol])).await).await;
        let request = Request::post("/auth/").body(full(body.clone())).unwrap();
        assert!(sender.send(request).await.body() == &body, "{protocol}");
    }
}

#[tokio::test]
async fn websockets_pass_by_tls() {
    let websocket = websocket("v1").await;
    let (gateway, files) = gateway(&[], &websocket).await;
    let stream = connect(&gateway.data, files.client(&["http/1.1"])).await;
    let url = format!("wss://{}/auth/chat", gateway.data);
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    assert_eq!(receive(&mut socket).await, Message::text("v1"));
    for length in [0, 1, 1_000, 100_000, 2_000_000] {
        let message = Message::binary(vec![7; length]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(receive(&mut socket).await, message);
    }
}

// The key for tickets stays the same when the certificate changes.
#[tokio::test]
async fn sessions_are_resumed() {
    let echo = echo().await;
    let (gateway, files) = gateway(&["--threads", "2"], &echo).await;
    for version in [&TLS12, &TLS13] {
        let client = files.client_of(version);
        let mut kinds = Vec::new();
        for _ in 0..4 {
            let mut stream = connect(&gateway.data, client.clone()).await;
            kinds.push(stream.get_ref().1.handshake_kind().unwrap());
            assert!(exchange(&mut stream, LAST).await.starts_with("HTTP/1.1 200 "));
        }
        assert_eq!((kinds[0], &kinds[1..]), (HandshakeKind::Full, &[HandshakeKind::Resumed; 3][..]));
        let before = files.served(&gateway).await;
        files.replace();
        wait_until(15 * SECOND, "replaced", async || files.served(&gateway).await != before).await;
        let stream = connect(&gateway.data, client).await;
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
    }
}

#[tokio::test]
async fn proxy_header_precedes_tls() {
    let echo = echo().await;
    let options = ["--proxy-protocol", "--trusted-proxy", "127.0.0.1"];
    let (gateway, files) = gateway(&options, &echo).await;
    let mut stream = TcpStream::connect(&gateway.data).await.unwrap();
    stream.write_all(b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n").await.unwrap();
    let received = exchange(&mut connect_on(stream, files.client(&[])).await, LAST).await;
    assert!(received.contains("x-forwarded-for: 192.0.2.1\n"), "{received}");
    assert!(received.contains("x-forwarded-proto: https\n"), "{received}");
}

// A trusted proxy in front may have ended TLS itself, or have none.
#[tokio::test]
async fn trusted_proxies_report_the_scheme() {
    let echo = echo().await;
    let (gateway, files) = gateway(&["--trusted-proxy", "127.0.0.1"], &echo).await;
    let request = LAST.replace("\r\n\r\n", "\r\nx-forwarded-proto: http\r\n\r\n");
    let received = exchange(&mut connect(&gateway.data, files.client(&[])).await, &request).await;
    assert!(received.contains("x-forwarded-proto: http\n"), "{received}");
}

#[tokio::test]
async fn pins_are_secure_by_tls() {
    let named = named_backend("v1", Duration::ZERO).await;
    let (gateway, files) = gateway(&["--pin-cookie", "pin"], &named).await;
    let other = named_backend("v2", Duration::ZERO).await;
    gateway.register("auth", "v2", &other.url).await;
    gateway.set_weight("auth", "v2", 50.0).await;
    let received = exchange(&mut connect(&gateway.data, files.client(&[])).await, LAST).await;
    let pin = received.lines().find(|line| line.starts_with("set-cookie: pin_auth=")).unwrap();
    assert!(pin.contains("; Secure"), "{pin}");
}

// Plain HTTP, random bytes, and records of TLS with random content.
#[tokio::test]
async fn garbage_breaks_nothing() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let files = Files::new();
    let echo = echo().await;
    let options = files.options(&["--threads", "1"]);
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let gateway = Gateway::start_logging(log.reopen().unwrap(), Some("warn,gateway=debug"), &options);
    gateway.register("auth", "v1", &echo.url).await;
    assert!(!raw(&gateway.data, LAST.as_bytes()).await.contains("HTTP"), "plain HTTP is refused");
    let mut random = StdRng::seed_from_u64(5);
    for round in 0..300 {
        let mut bytes = vec![0; random.random_range(1..600)];
        random.fill_bytes(&mut bytes);
        if round % 2 == 0 {
            let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            let record = [22, 3, random.random_range(1..4), length[0], length[1], 1];
            bytes.splice(..0, record);
        }
        let mut client = RawClient::connect(&gateway.data).await;
        let _ = client.0.write_all(&bytes).await;
    }
    let received = exchange(&mut connect(&gateway.data, files.client(&[])).await, LAST).await;
    assert!(received.starts_with("HTTP/1.1 200 "), "{received}");
    let log = std::fs::read_to_string(log.path()).unwrap();
    assert!(log.contains("the TLS handshake failed") && !log.contains("panicked"), "{log}");
    assert!(!log.contains(" WARN "), "clients write no warnings: {log}");
}

#[tokio::test]
async fn slow_handshakes_have_10_s() {
    let echo = echo().await;
    let (gateway, files) = gateway(&["--threads", "1"], &echo).await;
    let mut slow = Vec::new();
    for i in 0..200 {
        let mut client = RawClient::connect(&gateway.data).await;
        // Half of them are silent, the others begin a record.
        if i % 2 == 0 {
            client.send([22, 3, 1, 2, 0, 1]).await;
        }
        slow.push(client);
    }
    let start = Instant::now();
    for _ in 0..20 {
        let received = exchange(&mut connect(&gateway.data, files.client(&[])).await, LAST).await;
        assert!(received.starts_with("HTTP/1.1 200 "), "{received}");
    }
    assert!(!slow[0].is_closed_within(SECOND / 10).await, "the others wait for the end of the slow ones");
    for client in &mut slow {
        assert!(client.is_closed_within((18 * SECOND).saturating_sub(start.elapsed())).await);
    }
}

#[tokio::test]
async fn idle_connections_end_whole() {
    let echo = echo().await;
    let (gateway, files) = gateway(&["--idle-timeout", "1"], &echo).await;
    let mut stream = connect(&gateway.data, files.client(&[])).await;
    let received = exchange(&mut stream, &LAST.replace("connection: close\r\n", "")).await;
    assert!(received.starts_with("HTTP/1.1 200 ") && !received.contains("connection: close"), "{received}");
}

// What rustls keeps for a client is bounded, and the time in which the client takes nothing is limited.
#[tokio::test]
async fn clients_that_read_nothing_are_closed() {
    let large = backend(|_| async { http::Response::new(full(vec![b'x'; 64 << 20])) }).await;
    let (gateway, files) = gateway(&["--body-idle-timeout", "1"], &large).await;
    for protocol in ["http/1.1", "h2"] {
        let stream = connect(&gateway.data, files.client(&[protocol])).await;
        let mut blocked =
            if protocol == "h2" { blocked_http2(stream).await } else { blocked_http1(stream).await };
        gateway.wait_in_flight("auth", "v1", 1).await;
        gateway.wait_in_flight("auth", "v1", 0).await;
        let (memory, _) = gateway.memory();
        assert!(memory < 200 << 10, "{memory} KiB with {protocol}");
        let _ = blocked.shutdown().await;
    }
}

async fn blocked_http1(mut stream: Stream) -> Stream {
    stream.write_all(LAST.as_bytes()).await.unwrap();
    stream
}

/// Sends a request with windows that are larger than the body.
async fn blocked_http2(mut stream: Stream) -> Stream {
    let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff];
    let window = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0];
    // GET, scheme https, and the path and authority as literals.
    let fields = [&[0x82, 0x87, 0x04, 6][..], b"/auth/", &[0x01, 1], b"a"].concat();
    let head = [0, 0, u8::try_from(fields.len()).unwrap(), 1, 5, 0, 0, 0, 1];
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    stream.write_all(&[preface, &settings[..], &window, &head, &fields].concat()).await.unwrap();
    stream
}

#[tokio::test]
async fn sigterm_drains_tls() {
    for protocol in ["http/1.1", "h2"] {
        let slow = Held::start("v1").await;
        let (mut gateway, files) = gateway(&[], &slow.backend).await;
        let mut sender = Sender::on(connect(&gateway.data, files.client(&[protocol])).await).await;
        let response = tokio::spawn(async move { sender.get("/auth/late").await });
        gateway.wait_in_flight("auth", "v1", 1).await;
        // A handshake that has not ended delays no stop.
        let mut silent = RawClient::connect(&gateway.data).await;
        gateway.terminate();
        assert!(silent.is_closed_within(8 * SECOND).await);
        slow.release();
        let response = response.await.unwrap();
        assert_eq!(
            (response.status(), &**response.body()),
            (StatusCode::OK, &b"auth v1 /late\n"[..]),
            "{protocol}"
        );
        let status = gateway.exit(10 * SECOND).await;
        assert_eq!(status.and_then(|status| status.code()), Some(0), "{protocol}");
    }
}
