//! The stream of a client connection. It reports to [`Activity`] what no layer above it can see.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::activity::Activity;

const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Limits for the bytes that are read and discarded after the last response.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// The bytes of a client, without TLS or with it.
pub(crate) type Transport = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// The stream of a client.
#[derive(Debug)]
pub(crate) struct ClientStream {
    stream: Transport,
    activity: Arc<Activity>,
    /// Number of bytes that agree with the preface of HTTP/2. `None` once the protocol is known.
    preface: Option<usize>,
    is_blocked: bool,
    linger: Option<Linger>,
}

/// The state of a lingering close.
#[derive(Debug)]
struct Linger {
    end: Pin<Box<Sleep>>,
    bytes_left: usize,
}

impl ClientStream {
    pub(crate) fn new(stream: Transport, activity: Arc<Activity>) -> Self {
        Self { stream, activity, preface: Some(0), is_blocked: false, linger: None }
    }

    fn received(&mut self, bytes: &[u8]) {
        let Some(matched) = self.preface else { return self.activity.received(bytes) };
        if bytes.is_empty() {
            return;
        }
        let expected = &HTTP2_PREFACE[matched..];
        let length = bytes.len().min(expected.len());
        if bytes[..length] != expected[..length] {
            self.preface = None;
        } else if length == expected.len() {
            self.preface = None;
            return self.activity.start_http2();
        } else {
            self.preface = Some(matched + length);
        }
        self.activity.received(bytes);
    }

    /// Reports when a write begins to wait for the client, and when it no longer does.
    fn written<T>(&mut self, result: Poll<T>) -> Poll<T> {
        if result.is_pending() != self.is_blocked {
            self.is_blocked = result.is_pending();
            if self.is_blocked { self.activity.is_blocked() } else { self.activity.is_unblocked() }
        }
        result
    }

    /// Reads and discards what the client still sends. With unread bytes, the system would reset the connection at its close,
    /// and the client would lose the response (RFC 9112, 9.6).
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self
            .linger
            .get_or_insert_with(|| Linger { end: Box::pin(sleep(LINGER_TIME)), bytes_left: LINGER_BYTES });
        let mut discarded = [0; 4096];
        while linger.end.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut discarded);
            if ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)).is_err() {
                break;
            }
            let count = buffer.filled().len();
            linger.bytes_left = linger.bytes_left.saturating_sub(count);
            if count == 0 || linger.bytes_left == 0 {
                break;
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match &result {
            Poll::Ready(_) => self.received(&buffer.filled()[before..]),
            Poll::Pending => self.activity.waits_for_bytes(),
        }
        result
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.written(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A TLS session buffers bytes for the client. A TCP stream does not.
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            let result = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.written(result))?;
            if !self.activity.has_unread_bytes() {
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_linger(cx).map(Ok)
    }
}
