//! Clients that send bytes of their own, over connections that stay open.

use std::time::Duration;

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::AnyBody;

/// The longest time until bytes arrive that must arrive, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// A connection to the gateway, as bytes.
#[derive(Debug)]
pub(crate) struct RawClient(pub(crate) TcpStream);

impl RawClient {
    pub(crate) async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends a request without a body.
    pub(crate) async fn get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
    }

    /// Reads until the received text ends with `end`.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        let mut text = String::new();
        let mut part = [0; 4096];
        while !text.ends_with(end) {
            let count = timeout(PATIENCE, self.0.read(&mut part)).await.unwrap().unwrap();
            assert_ne!(count, 0, "closed after {text}");
            text.push_str(&String::from_utf8_lossy(&part[..count]));
        }
        text
    }

    /// Reads to the end of the connection, which must not be a reset.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.unwrap().unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Returns whether the gateway closes the connection within `limit`.
    pub(crate) async fn is_closed_within(&mut self, limit: Duration) -> bool {
        let mut part = [0; 4096];
        let closed = async { while self.0.read(&mut part).await.is_ok_and(|count| count > 0) {} };
        timeout(limit, closed).await.is_ok()
    }
}

/// Opens an HTTP/2 connection on `stream`.
pub(crate) async fn http2_on(stream: TcpStream) -> SendRequest<AnyBody> {
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Opens an HTTP/2 connection of its own.
pub(crate) async fn http2_connection(address: &str) -> SendRequest<AnyBody> {
    http2_on(TcpStream::connect(address).await.unwrap()).await
}

/// The time after a whole response in which another one would have begun.
const SILENCE: Duration = Duration::from_millis(700);

/// Sends `bytes` unchanged and returns the bytes received until the peer closes, or is silent after a whole response.
pub(crate) async fn raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    read_until_silent(&mut stream).await
}

pub(crate) async fn read_until_silent(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut part = [0; 4096];
    loop {
        let limit = if are_whole(&all) { SILENCE } else { PATIENCE };
        let Ok(Ok(count @ 1..)) = timeout(limit, stream.read(&mut part)).await else { break };
        all.extend_from_slice(&part[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Returns whether `bytes` are one or more responses of HTTP/1.1 with their bodies, of a known length or chunked.
fn are_whole(mut bytes: &[u8]) -> bool {
    if bytes.is_empty() {
        return false;
    }
    while !bytes.is_empty() {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let rest = &bytes[end + 4..];
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let length = if head.contains("transfer-encoding: chunked") {
            rest.windows(5).position(|window| window == b"0\r\n\r\n").map(|at| at + 5)
        } else {
            Some(length.unwrap_or(0))
        };
        match length.and_then(|length| rest.get(length..)) {
            Some(next) => bytes = next,
            None => return false,
        }
    }
    true
}
