//! The byte stream of a connection, which records its reads and counts its writes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::Instant;

use super::connect::Stream;

/// A stream that records its reads and writes.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    reads: Arc<Reads>,
}

/// The reads of a connection, and the number of its writes. Relaxed orderings suffice: each value stands alone.
#[derive(Debug)]
pub(super) struct Reads {
    opened: Instant,
    count: AtomicUsize,
    /// When the last one was, in milliseconds since `opened`.
    last: AtomicU64,
    /// The writes that succeeded.
    writes: AtomicUsize,
    /// Whether the last write or flush waits for the peer. hyper writes until then, or until it has nothing left.
    is_write_pending: AtomicBool,
}

impl Wire {
    /// Wraps the stream of a connection that was just opened.
    pub(super) fn new(stream: Stream) -> Self {
        let reads = Reads {
            opened: Instant::now(),
            count: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            writes: AtomicUsize::new(0),
            is_write_pending: AtomicBool::new(false),
        };
        Self { stream, reads: Arc::new(reads) }
    }

    /// Returns the record of the reads, for requests on this connection.
    pub(super) fn reads(&self) -> Arc<Reads> {
        Arc::clone(&self.reads)
    }
}

impl Reads {
    /// Returns the number of reads that succeeded. The end of the stream counts as one.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Returns when something was read, relative to the opening of the connection.
    pub(super) fn last(&self) -> Duration {
        Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    /// Returns how long the connection has been open.
    pub(super) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Returns the number of writes that succeeded.
    pub(super) fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    /// Returns whether there is something to write that the peer has not taken yet.
    pub(super) fn is_write_pending(&self) -> bool {
        self.is_write_pending.load(Ordering::Relaxed)
    }

    /// Counts a write that took place, and records whether the write waits for the peer.
    fn record_write<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.is_write_pending.store(written.is_pending(), Ordering::Relaxed);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    /// Counts a read, and records its time.
    fn record(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let age = u64::try_from(self.age().as_millis()).unwrap_or(u64::MAX);
        self.last.store(age, Ordering::Relaxed);
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.reads.record();
        }
        polled
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buffer);
        self.reads.record_write(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.reads.is_write_pending.store(flushed.is_pending(), Ordering::Relaxed);
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.reads.record_write(written)
    }
}
