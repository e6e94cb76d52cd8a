//! Balancers in front of the gateway that forward TCP with the PROXY protocol, and networks of proxies.

use std::time::Duration;

use http::Request;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::backends::{Backend, echo};
use crate::clients::{RawClient, http2_on, raw, read_until_silent};
use crate::harness::{Gateway, empty, read};

const REQUEST: &str =
    "GET /auth/ HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 6.6.6.6\r\nconnection: close\r\n\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

async fn gateway(options: &[&str]) -> (Gateway, Backend) {
    let backend = echo().await;
    let gateway = Gateway::start(&[&["--no-demo"], options].concat());
    gateway.register("auth", "v1", &backend.url).await;
    (gateway, backend)
}

async fn behind_balancer() -> (Gateway, Backend) {
    gateway(&["--proxy-protocol", "--trusted-proxy", "127.0.0.0/8"]).await
}

/// A header of version 2.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[0x20 | command, family], &length, rest].concat()
}

/// Headers that name the client 192.0.2.1 or 2001:db8::1.
fn good_headers() -> Vec<(Vec<u8>, &'static str)> {
    let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x67, 0, 80];
    let mut v6 = [0; 36];
    v6[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
    v6[15] = 1;
    // A field behind the addresses, of type NOOP.
    let with_field = [&v4[..], &[4, 0, 3, 1, 2, 3]].concat();
    vec![
        (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n".to_vec(), "192.0.2.1"),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 4711 80\r\n".to_vec(), "2001:db8::1"),
        (binary(1, 0x11, &v4), "192.0.2.1"),
        (binary(1, 0x21, &v6), "2001:db8::1"),
        (binary(1, 0x11, &with_field), "192.0.2.1"),
    ]
}

/// Headers without a client.
fn unknown_headers() -> Vec<Vec<u8>> {
    vec![
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(),
        binary(0, 0, &[]),
        binary(1, 0, &[]),
        binary(0, 0x11, &[0; 12]),
    ]
}

#[tokio::test]
async fn proxy_header_names_the_client() {
    let (gateway, _backend) = behind_balancer().await;
    for (header, client) in good_headers() {
        let received = raw(&gateway.data, &[&header, REQUEST.as_bytes()].concat()).await;
        assert!(received.contains(&format!("x-forwarded-for: {client}\n")), "{header:?}: {received}");
        assert!(!received.contains("6.6.6.6"), "{received}");
    }
}

// The bytes of the client in front of an unknown one are not trusted because the balancer is.
#[tokio::test]
async fn unknown_client_is_not_the_balancer() {
    let (gateway, _backend) = behind_balancer().await;
    for header in unknown_headers() {
        let received = raw(&gateway.data, &[&header, REQUEST.as_bytes()].concat()).await;
        assert!(received.starts_with("HTTP/1.1 200 "), "{header:?}: {received}");
        assert!(!received.contains("x-forwarded-for"), "{header:?}: {received}");
    }
}

#[tokio::test]
async fn proxy_header_may_come_in_parts() {
    let (gateway, _backend) = behind_balancer().await;
    for (header, client) in good_headers() {
        let mut stream = RawClient::connect(&gateway.data).await;
        for byte in header {
            stream.send([byte]).await;
            sleep(Duration::from_millis(1)).await;
        }
        stream.send(REQUEST).await;
        let received = read_until_silent(&mut stream.0).await;
        assert!(received.contains(&format!("x-forwarded-for: {client}\n")), "{received}");
    }
}

#[tokio::test]
async fn proxy_header_precedes_http2() {
    let (gateway, _backend) = behind_balancer().await;
    let mut stream = TcpStream::connect(&gateway.data).await.unwrap();
    stream.write_all(&good_headers()[2].0).await.unwrap();
    let request = Request::get(gateway.url("/auth/")).body(empty()).unwrap();
    let response = read(http2_on(stream).await.send_request(request).await.unwrap()).await;
    assert!(response.text.contains("x-forwarded-for: 192.0.2.1\n"), "{}", response.text);
}

#[tokio::test]
async fn malformed_proxy_header_is_refused() {
    let (gateway, _backend) = behind_balancer().await;
    let long = format!("PROXY TCP4 {} 1.1.1.1 1 1\r\n", "1".repeat(200));
    let malformed = [
        b"".to_vec(),
        b"PROXYTCP4 1.1.1.1 1.1.1.1 1 1\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.256 1.1.1.1 1 1\r\n".to_vec(),
        b"PROXY TCP4 2001:db8::1 1.1.1.1 1 1\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 1.1.1.1 1 99999\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n".to_vec(),
        b"proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n".to_vec(),
        long.into_bytes(),
        binary(1, 0x11, &[0; 11]),
        binary(2, 0x11, &[0; 12]),
        binary(1, 0x41, &[0; 12]),
        binary(1, 0x11, &vec![0; 60_000]),
        [SIGNATURE, &[0x31, 0x11, 0, 12], &[0; 12]].concat(),
    ];
    for header in malformed {
        let received = raw(&gateway.data, &[&header, REQUEST.as_bytes()].concat()).await;
        assert_eq!(received, "", "{}", String::from_utf8_lossy(&header));
    }
}

// Each mutation is served, refused or waited for. None ends a task or a thread.
#[tokio::test]
async fn mutated_proxy_headers_break_nothing() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let options = ["--no-demo", "--proxy-protocol", "--trusted-proxy", "127.0.0.1"];
    let gateway = Gateway::start_logging(log.reopen().unwrap(), None, &options);
    let backend = echo().await;
    gateway.register("auth", "v1", &backend.url).await;
    let mut random = StdRng::seed_from_u64(7);
    let headers: Vec<_> =
        good_headers().into_iter().map(|(header, _)| header).chain(unknown_headers()).collect();
    for round in 0..500 {
        let mut header = headers[round % headers.len()].clone();
        for _ in 0..random.random_range(1..4) {
            let position = random.random_range(0..header.len());
            match random.random_range(0..3) {
                0 => header[position] = random.random(),
                1 => _ = header.remove(position),
                _ => header.insert(position, random.random()),
            }
        }
        let mut client = RawClient::connect(&gateway.data).await;
        let _ = client.0.write_all(&header).await;
        let _ = client.0.write_all(REQUEST.as_bytes()).await;
    }
    let received = raw(&gateway.data, &[&headers[0], REQUEST.as_bytes()].concat()).await;
    assert!(received.contains("x-forwarded-for: 192.0.2.1\n"), "{received}");
    let log = std::fs::read_to_string(log.path()).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn unfinished_proxy_header_has_10_s() {
    let (gateway, _backend) = behind_balancer().await;
    let mut silent = RawClient::connect(&gateway.data).await;
    let mut slow = RawClient::connect(&gateway.data).await;
    slow.send("PROXY TCP4 192.0.2.1 ").await;
    let mut binary = RawClient::connect(&gateway.data).await;
    binary.send([SIGNATURE, &[0x21, 0x11, 0, 12]].concat()).await;
    let limit = Duration::from_secs(12);
    let closed = tokio::join!(
        silent.is_closed_within(limit),
        slow.is_closed_within(limit),
        binary.is_closed_within(limit)
    );
    assert_eq!(closed, (true, true, true));
}

#[tokio::test]
async fn only_trusted_peers_send_proxy_headers() {
    let (gateway, _backend) = gateway(&["--proxy-protocol", "--trusted-proxy", "10.0.0.0/8"]).await;
    let received = raw(&gateway.data, REQUEST.as_bytes()).await;
    assert!(received.contains("x-forwarded-for: 127.0.0.1\n"), "{received}");
    let (header, _) = &good_headers()[0];
    let received = raw(&gateway.data, &[header, REQUEST.as_bytes()].concat()).await;
    assert!(received.starts_with("HTTP/1.1 400 "), "{received}");
}

#[tokio::test]
async fn proxies_are_addresses_or_networks() {
    for (option, is_trusted) in [
        ("127.0.0.1", true),
        ("127.0.0.0/8", true),
        ("127.0.0.2,127.0.0.1", true),
        ("::ffff:127.0.0.1", true),
        ("::ffff:127.0.0.0/104", true),
        ("0.0.0.0/0", true),
        ("127.0.0.2", false),
        ("128.0.0.0/1", false),
        ("::/0", false),
    ] {
        let (gateway, _backend) = gateway(&["--trusted-proxy", option]).await;
        let received = raw(&gateway.data, REQUEST.as_bytes()).await;
        assert_eq!(
            received.contains("x-forwarded-for: 6.6.6.6, 127.0.0.1\n"),
            is_trusted,
            "{option}: {received}"
        );
    }
}

#[tokio::test]
async fn address_header_is_a_choice() {
    let trusted = ["--trusted-proxy", "127.0.0.1"];
    let (gateway, _backend) = gateway(&[&trusted[..], &["--address-header", "Forwarded"]].concat()).await;
    let request = REQUEST.replace("\r\n\r\n", "\r\nforwarded: for=192.0.2.7\r\n\r\n");
    let received = raw(&gateway.data, request.as_bytes()).await;
    assert!(received.contains("x-forwarded-for: 192.0.2.7, 127.0.0.1\n"), "{received}");
    assert!(!received.contains("6.6.6.6"), "{received}");
}

#[tokio::test]
async fn via_is_a_choice() {
    for (options, has_via) in [(&[][..], true), (&["--no-via"], false)] {
        let (gateway, _backend) = gateway(options).await;
        let received = raw(&gateway.data, REQUEST.as_bytes()).await;
        assert_eq!(received.contains("\nvia: "), has_via, "{received}");
    }
}

#[tokio::test]
async fn host_can_be_preserved() {
    for (options, host) in [(&["--preserve-host"][..], "a".to_owned()), (&[], String::new())] {
        let (gateway, backend) = gateway(options).await;
        let received = raw(&gateway.data, REQUEST.as_bytes()).await;
        let host = if host.is_empty() { backend.url.trim_start_matches("http://").to_owned() } else { host };
        assert!(received.contains(&format!("\nhost: {host}\n")), "{received}");
    }
}
