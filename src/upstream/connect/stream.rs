//! The connection below the protocols.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
#[cfg(feature = "client-tls")]
use tokio_rustls::client::TlsStream;

use crate::probe::GuardedStream;

/// A connection, with or without TLS.
///
/// Both kinds stand on [`GuardedStream`], so an early response survives the failed write of an upload.
#[derive(Debug)]
pub(in crate::upstream) enum Stream {
    Tcp(TokioIo<GuardedStream>),
    /// Boxed, since it is many times larger than a TCP stream.
    #[cfg(feature = "client-tls")]
    Tls(Box<TokioIo<TlsStream<GuardedStream>>>),
}

/// Evaluates an expression for the connection, whichever its kind is.
macro_rules! with_io {
    ($stream:expr, $io:ident => $result:expr) => {
        match $stream {
            Stream::Tcp($io) => $result,
            #[cfg(feature = "client-tls")]
            Stream::Tls($io) => $result,
        }
    };
}

impl Read for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        with_io!(self.get_mut(), io => Pin::new(io).poll_read(cx, buf))
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        with_io!(self.get_mut(), io => Pin::new(io).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with_io!(self.get_mut(), io => Pin::new(io).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        with_io!(self, io => io.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_io!(self.get_mut(), io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_io!(self.get_mut(), io => Pin::new(io).poll_shutdown(cx))
    }
}
