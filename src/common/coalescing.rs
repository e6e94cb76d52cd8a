//! A stream that gathers the small writes of HTTP/2.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The first bytes that an HTTP/2 client sends (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The most bytes that are gathered.
const MAX_BYTES: usize = 32 * 1024;

/// The most flushes that are put off in a row: a connection that always has something new is written after as many.
const MAX_FLUSHES: u32 = 32;

/// An idle connection keeps a buffer of at most this size.
const MAX_IDLE_BUFFER: usize = 4 * 1024;

/// The stream of a connection, which gathers the small writes of HTTP/2 into large ones.
///
/// HTTP/2 writes each response of more than a few bytes on its own, and each write is a system call and a pass through TCP.
/// With many streams on a connection, that is the largest part of a gateway's work. This stream writes what several streams
/// have to send at once. Put it between the socket, or its TLS, and the server:
///
/// ```
/// use hyper_util::rt::{TokioExecutor, TokioIo};
/// use hyper_util::server::conn::auto::Builder;
/// use hyper_util::service::TowerToHyperService;
/// use tower_canary::proxy::CoalescingStream;
///
/// async fn serve(socket: tokio::net::TcpStream, app: axum::Router) {
///     let stream = TokioIo::new(CoalescingStream::new(socket));
///     let service = TowerToHyperService::new(app);
///     let _ = Builder::new(TokioExecutor::new()).serve_connection_with_upgrades(stream, service).await;
/// }
/// ```
///
/// - **When it writes:** it puts off a flush until the task of the connection runs again and has nothing new. The task is
///   woken for that, so the only response of a connection waits for one turn of the runtime. Up to 32 KiB and 32 flushes
///   are gathered.
/// - **HTTP/1.1**, with its upgrades, passes through unchanged. The first bytes of the client say which protocol it is.
/// - **Back-pressure:** a peer that does not read blocks writes as before, with at most 32 KiB buffered here.
/// - **The end:** a shutdown writes the rest first. A stream that is dropped without one loses what it has gathered.
///
/// The client of `upstream` uses it for HTTP/2 by itself.
#[derive(Debug)]
#[cfg_attr(not(feature = "proxy"), expect(unreachable_pub, reason = "`proxy` makes it public"))]
pub struct CoalescingStream<S> {
    stream: S,
    protocol: Protocol,
    buffer: Vec<u8>,
    /// The bytes of the buffer that the stream has taken.
    taken: usize,
    /// Whether bytes were added since the last flush.
    is_fresh: bool,
    /// The number of flushes that were put off since the buffer was empty.
    put_off: u32,
    /// Whether the last write to the stream was pending. Until one succeeds, no flush is put off.
    is_blocked: bool,
}

/// The protocol of the connection, as far as the first bytes of the client show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// So many bytes agree with the preface.
    Unknown(usize),
    Http2,
    Other,
}

impl Protocol {
    /// Returns the protocol after the client has sent `bytes`.
    fn after(self, bytes: &[u8]) -> Self {
        let Self::Unknown(matched) = self else { return self };
        let expected = PREFACE.get(matched..).unwrap_or_default();
        if bytes.starts_with(expected) {
            Self::Http2
        } else if expected.starts_with(bytes) {
            Self::Unknown(matched + bytes.len())
        } else {
            Self::Other
        }
    }
}

#[cfg(feature = "proxy")]
impl<S> CoalescingStream<S> {
    /// Creates the stream of a server, which gathers if the client begins HTTP/2.
    ///
    /// See [`CoalescingStream`] for an example.
    pub const fn new(stream: S) -> Self {
        Self::with_protocol(stream, Protocol::Unknown(0))
    }

    /// Returns the stream below, for its addresses and options.
    pub const fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S> CoalescingStream<S> {
    /// Creates the stream of a connection that has HTTP/2.
    #[cfg(feature = "client")]
    pub(crate) const fn http2(stream: S) -> Self {
        Self::with_protocol(stream, Protocol::Http2)
    }

    /// Wraps a stream with an empty buffer.
    const fn with_protocol(stream: S, protocol: Protocol) -> Self {
        let buffer = Vec::new();
        Self { stream, protocol, buffer, taken: 0, is_fresh: false, put_off: 0, is_blocked: false }
    }

    /// Returns whether writes are gathered. HTTP/1 writes are large already.
    fn gathers(&self) -> bool {
        self.protocol == Protocol::Http2
    }

    /// Adds as many bytes to the buffer as there is room for, and returns their number.
    fn add(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(MAX_BYTES.saturating_sub(self.buffer.len()));
        let length = self.buffer.len() + count;
        if length > self.buffer.capacity() {
            // Two sizes, so that it grows once.
            let capacity = if length <= MAX_IDLE_BUFFER { MAX_IDLE_BUFFER } else { MAX_BYTES };
            self.buffer.reserve_exact(capacity - self.buffer.len());
        }
        self.buffer.extend_from_slice(&bytes[..count]);
        self.is_fresh |= count > 0;
        count
    }

    /// Returns whether more bytes may be gathered before the next write.
    fn has_room(&self) -> bool {
        !self.is_blocked && self.buffer.len() < MAX_BYTES
    }
}

impl<S: AsyncWrite + Unpin> CoalescingStream<S> {
    /// Writes the gathered bytes.
    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.buffer.get(self.taken..).filter(|rest| !rest.is_empty()) {
            let written = Pin::new(&mut self.stream).poll_write(cx, rest);
            self.is_blocked = written.is_pending();
            match ready!(written)? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                count => self.taken += count,
            }
        }
        self.taken = 0;
        self.is_fresh = false;
        self.put_off = 0;
        self.buffer.clear();
        self.buffer.shrink_to(MAX_IDLE_BUFFER);
        Poll::Ready(Ok(()))
    }

    /// Waits until there is room for another byte.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_room() { Poll::Ready(Ok(())) } else { self.poll_write_out(cx) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CoalescingStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.protocol = self.protocol.after(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CoalescingStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.gathers() {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        ready!(self.poll_room(cx))?;
        Poll::Ready(Ok(self.add(bytes)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.gathers() {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        }
        ready!(self.poll_room(cx))?;
        Poll::Ready(Ok(slices.iter().map(|bytes| self.add(bytes)).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        self.gathers() || self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_fresh && !self.is_blocked && self.put_off < MAX_FLUSHES {
            self.is_fresh = false;
            self.put_off += 1;
            // The next run of the task flushes again.
            cx.waker().wake_by_ref();
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_write_out(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_out(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[cfg(feature = "proxy")]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_test::io::Builder;
    use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};

    use super::*;

    /// A peer that takes `room` bytes more, and keeps the length of each write.
    #[derive(Debug, Default)]
    struct Peer {
        room: usize,
        writes: Vec<usize>,
        is_shut_down: bool,
    }

    impl AsyncWrite for Peer {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Poll::Pending;
            }
            self.room -= count;
            self.writes.push(count);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.is_shut_down = true;
            Poll::Ready(Ok(()))
        }
    }

    fn peer(room: usize) -> CoalescingStream<Peer> {
        CoalescingStream::with_protocol(Peer { room, ..Peer::default() }, Protocol::Http2)
    }

    /// One turn of the task: writes `bytes`, if any, and flushes. Returns whether the task was woken.
    fn turn(stream: &mut CoalescingStream<Peer>, bytes: &[u8]) -> (Poll<io::Result<()>>, bool) {
        let mut turn = task::spawn(poll_fn(|cx| {
            if !bytes.is_empty() {
                ready!(Pin::new(&mut *stream).poll_write(cx, bytes))?;
            }
            Pin::new(&mut *stream).poll_flush(cx)
        }));
        let flushed = turn.poll();
        (flushed, turn.is_woken())
    }

    #[test]
    fn lone_write_waits_for_one_turn() {
        let mut stream = peer(usize::MAX);
        let (flushed, is_woken) = turn(&mut stream, b"response");
        assert_ready_ok!(flushed);
        assert!(is_woken && stream.get_ref().writes.is_empty());
        let (flushed, is_woken) = turn(&mut stream, b"");
        assert_ready_ok!(flushed);
        assert!(!is_woken);
        assert_eq!(stream.get_ref().writes, [8]);
    }

    #[test]
    fn writes_of_many_turns_are_one() {
        let mut stream = peer(usize::MAX);
        for _ in 0..16 {
            assert_ready_ok!(turn(&mut stream, &[0; 1_100]).0);
        }
        assert_ready_ok!(turn(&mut stream, b"").0);
        assert_eq!(stream.get_ref().writes, [16 * 1_100]);
    }

    #[test]
    fn endless_writes_are_not_put_off_forever() {
        let mut stream = peer(usize::MAX);
        for _ in 0..=MAX_FLUSHES {
            assert_ready_ok!(turn(&mut stream, b"a").0);
        }
        assert_eq!(stream.get_ref().writes, [MAX_FLUSHES as usize + 1]);
    }

    #[test]
    fn full_buffer_is_written() {
        let mut stream = peer(usize::MAX);
        assert_ready_ok!(turn(&mut stream, &vec![0; MAX_BYTES + 5]).0);
        // The caller writes the rest.
        assert_ready_ok!(turn(&mut stream, &[0; 5]).0);
        assert_eq!(stream.get_ref().writes, [MAX_BYTES]);
        assert_ready_ok!(turn(&mut stream, b"").0);
        assert_eq!(stream.get_ref().writes, [MAX_BYTES, 5]);
        assert!(stream.buffer.capacity() <= MAX_IDLE_BUFFER);
    }

    #[test]
    fn peer_that_does_not_read_blocks() {
        let mut stream = peer(3);
        assert_ready_ok!(turn(&mut stream, b"begin").0);
        assert_pending!(turn(&mut stream, b"").0);
        // Without a turn in between that could take it for progress.
        for _ in 0..3 {
            let (flushed, is_woken) = turn(&mut stream, b"more");
            assert_pending!(flushed);
            assert!(!is_woken);
        }
        stream.stream.room = 100;
        assert_ready_ok!(turn(&mut stream, b"more").0);
        assert_ready_ok!(turn(&mut stream, b"").0);
        assert_eq!(stream.get_ref().writes, [3, 2, 4]);
    }

    #[test]
    fn shutdown_writes_the_rest() {
        let mut stream = peer(2);
        assert_ready_ok!(turn(&mut stream, b"goodbye").0);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert_pending!(Pin::new(&mut stream).poll_shutdown(&mut cx));
        assert!(!stream.get_ref().is_shut_down);
        stream.stream.room = 5;
        assert_ready_ok!(Pin::new(&mut stream).poll_shutdown(&mut cx));
        assert_eq!((stream.get_ref().writes.clone(), stream.get_ref().is_shut_down), (vec![2, 5], true));
    }

    #[test]
    fn vectored_write_is_gathered() {
        let mut stream = peer(usize::MAX);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let slices = [IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"payload")];
        assert!(stream.is_write_vectored());
        let written = assert_ready!(Pin::new(&mut stream).poll_write_vectored(&mut cx, &slices));
        assert_eq!(written.unwrap(), 11);
        assert_eq!(stream.buffer, b"headpayload");
    }

    #[tokio::test]
    async fn other_protocols_pass_unchanged() {
        let socket = Builder::new().read(b"PRI * HTTP").read(b"/1.1").write(b"a").write(b"b").build();
        let mut stream = CoalescingStream::new(socket);
        assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 10);
        assert_eq!(stream.protocol, Protocol::Unknown(10));
        assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 4);
        assert_eq!(stream.protocol, Protocol::Other);
        stream.write_all(b"a").await.unwrap();
        stream.write_all(b"b").await.unwrap();
    }

    #[tokio::test]
    async fn preface_is_recognized_in_pieces() {
        for size in 1..=PREFACE.len() {
            let mut script = Builder::new();
            PREFACE.chunks(size).for_each(|piece| _ = script.read(piece));
            let mut stream = CoalescingStream::new(script.read(b"frame").build());
            while !stream.gathers() {
                assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
            }
            assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 5);
        }
    }
}
