//! A connection in memory, which counts the system calls of a socket.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

/// One end of a connection. The other end is the bench, which sends messages in parts and discards the bytes written to it.
#[derive(Clone, Default)]
pub(crate) struct Wire(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    message: &'static [u8],
    arrived: usize,
    read: usize,
    /// As in tokio: set when data arrives, cleared by a read that returns less than it could.
    ready: bool,
    reads: u64,
    written: usize,
}

impl Wire {
    /// Starts the next message, of which nothing has arrived yet.
    pub(crate) fn start(&self, message: &'static [u8]) {
        let mut state = self.0.borrow_mut();
        assert_eq!(state.read, state.message.len(), "the message before was read");
        state.message = message;
        state.arrived = 0;
        state.read = 0;
    }

    /// Makes the message readable up to `end`.
    pub(crate) fn arrive(&self, end: usize) {
        let mut state = self.0.borrow_mut();
        state.arrived = end;
        state.ready = true;
    }

    pub(crate) fn is_drained(&self) -> bool {
        !self.0.borrow().ready
    }

    /// Returns the number of `recv` calls that a socket would have had.
    pub(crate) fn reads(&self) -> u64 {
        self.0.borrow().reads
    }

    pub(crate) fn written(&self) -> usize {
        self.0.borrow().written
    }
}

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.borrow_mut();
        if !state.ready {
            return Poll::Pending;
        }
        state.reads += 1;
        let room = buffer.remaining();
        let length = room.min(state.arrived - state.read);
        state.ready = length == room;
        if length == 0 {
            return Poll::Pending;
        }
        buffer.put_slice(&state.message[state.read..state.read + length]);
        state.read += length;
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().written += bytes.len();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        self.0.borrow_mut().written += length;
        Poll::Ready(Ok(length))
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
