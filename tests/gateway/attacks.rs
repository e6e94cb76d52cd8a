//! Clients that hold connections for as long as they can.

use std::time::{Duration, Instant};

use http::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::harness::{empty, read};

/// How a client holds its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Attack {
    /// Sends nothing.
    Silent,
    /// Sends a request head byte by byte.
    Head,
    /// Sends a request, then the head of the next one byte by byte.
    NextHead,
    /// Sends one request and keeps the connection open.
    Idle,
    /// Sends half of the HTTP/2 preface.
    HalfPreface,
    /// Starts HTTP/2 and sends no request.
    Settings,
    /// Sends a request body byte by byte.
    Body,
    /// Sends a request over HTTP/2, then nothing more, and does not acknowledge pings.
    Deaf,
    /// Sends one request over HTTP/2, keeps the connection open, and acknowledges pings.
    IdleHttp2,
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// `GET /auth/` of host `a` on stream 1, with END_STREAM.
const HEADERS: &[u8] = b"\0\0\x0d\x01\x05\0\0\0\x01\x82\x86\x04\x06/auth/\x41\x01a";

impl Attack {
    /// The options that [`limit`](Self::limit) is for. Without them, idle clients have more time.
    pub(crate) const OPTIONS: [&str; 4] = ["--idle-timeout", "10", "--http2-idle-timeout", "8"];

    /// The attacks without a complete request head.
    pub(crate) const HEADS: [Self; 6] =
        [Self::Silent, Self::Head, Self::NextHead, Self::Idle, Self::HalfPreface, Self::Settings];

    /// Maximum time until the gateway closes the connection.
    pub(crate) const fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::Body | Self::IdleHttp2 => 65,
            Self::Deaf => 45,
            // Ten seconds, and a tolerance for a slow machine.
            _ => 25,
        })
    }

    /// Returns the first bytes of the attack.
    fn first(self) -> Vec<u8> {
        match self {
            Self::Silent | Self::IdleHttp2 => vec![],
            Self::Head => b"GET /auth/ HTTP/1.1\r\nhost: a\r\nx-slow: ".to_vec(),
            Self::Idle => b"GET /auth/ HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
            Self::NextHead => {
                b"GET /auth/ HTTP/1.1\r\nhost: a\r\n\r\nGET /auth/ HTTP/1.1\r\nx-slow: ".to_vec()
            }
            Self::HalfPreface => PREFACE[..9].to_vec(),
            Self::Settings => [PREFACE, SETTINGS].concat(),
            Self::Body => b"POST /auth/ HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n".to_vec(),
            Self::Deaf => [PREFACE, SETTINGS, HEADERS].concat(),
        }
    }

    /// Returns whether the attack continues byte by byte, one byte every five seconds.
    const fn drips(self) -> bool {
        matches!(self, Self::Head | Self::NextHead | Self::Body)
    }

    /// Starts the attack. The task returns its duration, at most twice the limit.
    pub(crate) fn begin(self, address: &str) -> JoinHandle<Duration> {
        let address = address.to_owned();
        tokio::spawn(async move {
            let start = Instant::now();
            let _ = match self {
                Self::IdleHttp2 => timeout(self.limit() * 2, idle_by_http2(&address)).await,
                _ => timeout(self.limit() * 2, self.until_cut_off(&address)).await,
            };
            start.elapsed()
        })
    }

    async fn until_cut_off(self, address: &str) {
        let (mut from, mut to) = TcpStream::connect(address).await.unwrap().into_split();
        to.write_all(&self.first()).await.unwrap();
        let dripping = async {
            while self.drips() && to.write_all(b"x").await.is_ok() {
                sleep(Duration::from_secs(5)).await;
            }
            std::future::pending().await
        };
        let reading = async { while from.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {} };
        tokio::select! { () = dripping => {} () = reading => {} }
    }
}

/// hyper acknowledges pings by itself.
async fn idle_by_http2(address: &str) {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get(format!("http://{address}/auth/")).body(empty()).unwrap();
    assert_eq!(read(sender.send_request(request).await.unwrap()).await.status, 200);
    let _ = connection.await;
}
