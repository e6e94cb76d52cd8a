//! A stream that still delivers what the peer sent after it stopped reading.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// The maximum time without a byte that reads wait for the rest of a response after a failed write.
///
/// The system has the rest already when it reports a reset, so this is a bound and not a wait.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Whether a write reports [`BrokenPipe`](ErrorKind::BrokenPipe) only if the peer ended the stream before it reset the
/// connection. On other systems every reset can be reported so.
const BROKEN_PIPE_IS_END: bool = cfg!(any(target_os = "android", target_os = "linux"));

/// A connection to a backend whose early responses are not lost.
///
/// A backend may respond before it has read the whole request, for example with 413 or 401, and close the connection.
/// The rest of the upload then fails to be written while the response waits in the receive buffer. HTTP clients end the
/// connection at the first error, and the response is lost (RFC 9112, 9.5 asks clients to read it).
///
/// So a write that fails because the peer has closed the connection is taken as "the peer wants no more": it and all
/// later writes are discarded, and reads go on to their end. The end is
///
/// - the end of the stream if the peer ended it before it reset the connection (known on Linux only),
/// - else the error of the write. A response body without a length is then incomplete.
///
/// After that, writes fail too. So the connection is not reused, and a request that was not answered fails.
///
/// A failure of the first write of a connection is returned at once, and so is one after a shutdown. If the peer neither
/// sends nor closes for 5 seconds after a failed write, reads end with [`TimedOut`](ErrorKind::TimedOut).
///
/// On Linux, data that arrived before a reset can be read after it. Other systems may drop it.
///
/// [`GuardedConnector`](super::GuardedConnector) creates it. The runtime needs a timer.
///
/// ```
/// use tower::ServiceExt;
/// use tower_canary::probe::UrlPolicy;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let url = format!("http://{}", listener.local_addr()?).parse()?;
/// let connector = UrlPolicy::new().allow_loopback().connector();
/// let connection = connector.oneshot(url).await.map_err(|error| error.to_string())?;
/// assert_eq!(connection.inner().get_ref().peer_addr()?, listener.local_addr()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GuardedStream<S = TcpStream> {
    io: S,
    writes: Writes,
}

/// The state of the direction to the peer.
enum Writes {
    /// Nothing was written, so nothing can have been answered.
    Unused,
    Open,
    /// This side has ended the direction. A later write is a mistake of the caller.
    ShutDown,
    Failed(FailedWrites),
}

/// The direction to the peer after a failed write.
struct FailedWrites {
    /// The error of the write.
    error: io::Error,
    /// Limits the time without a byte. Runs while a read waits.
    wait: Option<Pin<Box<Sleep>>>,
    /// Whether a read has returned the end of the stream or an error. Writes are not discarded any more, but fail.
    reads_ended: bool,
}

impl<S> GuardedStream<S> {
    pub(super) const fn new(io: S) -> Self {
        Self { io, writes: Writes::Unused }
    }

    /// Returns the connection below, for its addresses and options.
    ///
    /// See [`GuardedStream`] for an example.
    pub const fn get_ref(&self) -> &S {
        &self.io
    }

    /// Returns the result of a write of at most `len` bytes for the caller.
    fn after_write(&mut self, written: io::Result<usize>, len: usize) -> io::Result<usize> {
        if written.is_ok() && matches!(self.writes, Writes::Unused) {
            self.writes = Writes::Open;
        }
        written.or_else(|error| self.after_failure(error, len))
    }

    /// Returns the failed write of `len` bytes as done if a response may be there, else its error.
    fn after_failure(&mut self, error: io::Error, len: usize) -> io::Result<usize> {
        if !matches!(self.writes, Writes::Open) || !is_closed_by_peer(&error) {
            return Err(error);
        }
        tracing::debug!(%error, "the backend stopped reading, its response is awaited");
        self.writes = Writes::Failed(FailedWrites { error, wait: None, reads_ended: false });
        Ok(len)
    }
}

/// Returns the number of bytes in all buffers.
fn total_len(bufs: &[IoSlice<'_>]) -> usize {
    bufs.iter().map(|buf| buf.len()).sum()
}

/// Returns whether a failed write means that the peer has closed the connection: then reads have an end.
fn is_closed_by_peer(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
}

impl FailedWrites {
    /// Discards a write of `len` bytes. Fails after the end of reads.
    fn discard(&self, len: usize) -> io::Result<usize> {
        if self.reads_ended { Err(self.error.kind().into()) } else { Ok(len) }
    }

    /// Returns the result of a read for the caller. `is_end` says that it was ready without data.
    fn after_read(
        &mut self,
        cx: &mut Context<'_>,
        read: Poll<io::Result<()>>,
        is_end: bool,
    ) -> Poll<io::Result<()>> {
        let end = match read {
            Poll::Ready(Ok(())) if !is_end => {
                self.wait = None;
                return read;
            }
            Poll::Ready(Ok(())) => self.end(),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => {
                let wait = self.wait.get_or_insert_with(|| Box::pin(sleep(MAX_WAIT)));
                ready!(wait.as_mut().poll(cx));
                Err(ErrorKind::TimedOut.into())
            }
        };
        self.reads_ended = true;
        Poll::Ready(end)
    }

    /// Returns the result of reads at the end of the data. The system reports a reset once, here to the write, and shows
    /// it to reads as the end of the stream.
    fn end(&self) -> io::Result<()> {
        match self.error.kind() {
            ErrorKind::BrokenPipe if BROKEN_PIPE_IS_END => Ok(()),
            kind => Err(kind.into()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for GuardedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        match &mut this.writes {
            Writes::Failed(failed) => {
                let is_end = buf.filled().len() == before && buf.remaining() > 0;
                failed.after_read(cx, read, is_end)
            }
            _ => read,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for GuardedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Writes::Failed(failed) = &this.writes {
            return Poll::Ready(failed.discard(buf.len()));
        }
        let written = ready!(Pin::new(&mut this.io).poll_write(cx, buf));
        Poll::Ready(this.after_write(written, buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Writes::Failed(failed) = &this.writes {
            return Poll::Ready(failed.discard(total_len(bufs)));
        }
        let written = ready!(Pin::new(&mut this.io).poll_write_vectored(cx, bufs));
        Poll::Ready(this.after_write(written, total_len(bufs)))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &this.writes {
            Writes::Failed(failed) => Poll::Ready(failed.discard(0).map(drop)),
            _ => Pin::new(&mut this.io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.writes, Writes::Failed(_)) {
            // The peer has ended this direction already.
            return Poll::Ready(Ok(()));
        }
        this.writes = Writes::ShutDown;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

impl<S: Connection> Connection for GuardedStream<S> {
    fn connected(&self) -> Connected {
        self.io.connected()
    }
}

impl<S: fmt::Debug> fmt::Debug for GuardedStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedStream").field("io", &self.io).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind, Result};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::{Instant, timeout};
    use tokio_test::io::{Builder, Mock};

    use super::{BROKEN_PIPE_IS_END, GuardedStream, MAX_WAIT};

    fn stream(script: &mut Builder) -> GuardedStream<Mock> {
        GuardedStream::new(script.build())
    }

    fn broken(kind: ErrorKind) -> Builder {
        let mut script = Builder::new();
        script.write(b"head").write_error(Error::from(kind));
        script
    }

    async fn read_all(stream: &mut GuardedStream<Mock>) -> (Vec<u8>, Result<usize>) {
        let mut read = Vec::new();
        let end = stream.read_to_end(&mut read).await;
        (read, end)
    }

    #[tokio::test]
    async fn failed_write_leaves_the_response() {
        let mut stream = stream(broken(ErrorKind::BrokenPipe).read(b"early ").read(b"response"));
        stream.write_all(b"head").await.unwrap();
        assert_eq!(stream.write(b"body").await.unwrap(), 4, "discarded");
        assert_eq!(stream.write_vectored(&[]).await.unwrap(), 0);
        stream.flush().await.unwrap();
        let (read, end) = read_all(&mut stream).await;
        assert_eq!((&read[..], end.is_ok()), (&b"early response"[..], BROKEN_PIPE_IS_END));
        assert_eq!(stream.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(stream.flush().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        stream.shutdown().await.unwrap();
    }

    /// The end of the connection is the end of a body without a length, and a reset is no such end.
    #[tokio::test]
    async fn reset_is_not_an_end() {
        let mut stream = stream(broken(ErrorKind::ConnectionReset).read(b"a part"));
        stream.write_all(b"headbody").await.unwrap();
        let (read, end) = read_all(&mut stream).await;
        assert_eq!((&read[..], end.unwrap_err().kind()), (&b"a part"[..], ErrorKind::ConnectionReset));
    }

    #[tokio::test]
    async fn unanswered_request_fails() {
        let mut stream =
            stream(broken(ErrorKind::ConnectionReset).read_error(ErrorKind::ConnectionReset.into()));
        stream.write_all(b"headbody").await.unwrap();
        let (read, end) = read_all(&mut stream).await;
        assert!(read.is_empty());
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn first_write_fails_at_once() {
        let mut stream = stream(Builder::new().write_error(ErrorKind::BrokenPipe.into()));
        assert_eq!(stream.write(b"head").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn write_after_shutdown_fails() {
        let mut stream = stream(&mut broken(ErrorKind::BrokenPipe));
        stream.write_all(b"head").await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(stream.write(b"body").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    /// Other errors do not mean that the peer is done: reads may have no end.
    #[tokio::test]
    async fn other_write_errors_fail() {
        let mut stream = stream(&mut broken(ErrorKind::TimedOut));
        stream.write_all(b"head").await.unwrap();
        assert_eq!(stream.write(b"body").await.unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn silent_peer_is_not_awaited_forever() {
        let pause = MAX_WAIT - Duration::from_secs(1);
        let mut stream = stream(
            broken(ErrorKind::BrokenPipe).wait(pause).read(b"a").wait(pause).read(b"b").wait(MAX_WAIT * 9),
        );
        stream.write_all(b"headbody").await.unwrap();
        let started = Instant::now();
        let (read, end) = timeout(MAX_WAIT * 4, read_all(&mut stream)).await.unwrap();
        assert_eq!((&read[..], end.unwrap_err().kind()), (&b"ab"[..], ErrorKind::TimedOut));
        assert_eq!(started.elapsed().as_secs(), (pause * 2 + MAX_WAIT).as_secs());
    }
}
