//! A connection in memory, which counts the system calls of a socket.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One end of a connection. The other end is the bench, which sends frames and discards the bytes written to it.
#[derive(Clone, Default)]
pub(crate) struct Wire(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    unread: Vec<u8>,
    read: usize,
    writes: u64,
    written: usize,
}

impl Wire {
    /// Makes `bytes` readable, in place of those that were read.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let mut state = self.0.borrow_mut();
        assert_eq!(state.read, state.unread.len(), "all bytes were read");
        state.unread.clear();
        state.unread.extend_from_slice(bytes);
        state.read = 0;
    }

    /// Returns the number of `writev` calls that a socket would have had.
    pub(crate) fn writes(&self) -> u64 {
        self.0.borrow().writes
    }

    pub(crate) fn written(&self) -> usize {
        self.0.borrow().written
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.borrow_mut();
        let length = buffer.remaining().min(state.unread.len() - state.read);
        if length == 0 {
            return Poll::Pending;
        }
        buffer.put_slice(&state.unread[state.read..state.read + length]);
        state.read += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.count(bytes.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.count(slices.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Wire {
    fn count(&self, length: usize) -> Poll<io::Result<usize>> {
        let mut state = self.0.borrow_mut();
        state.writes += 1;
        state.written += length;
        Poll::Ready(Ok(length))
    }
}
