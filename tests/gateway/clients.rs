//! Clients that send bytes of their own, over connections that stay open.

use std::time::Duration;

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::AnyBody;

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

    /// Reads until the received text ends with `end`, for at most five seconds.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        let mut text = String::new();
        let mut part = [0; 4096];
        while !text.ends_with(end) {
            let count = timeout(Duration::from_secs(5), self.0.read(&mut part)).await.unwrap().unwrap();
            assert_ne!(count, 0, "closed after {text}");
            text.push_str(&String::from_utf8_lossy(&part[..count]));
        }
        text
    }

    /// Reads to the end of the connection, which must not be a reset.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        timeout(Duration::from_secs(5), self.0.read_to_end(&mut bytes)).await.unwrap().unwrap();
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
