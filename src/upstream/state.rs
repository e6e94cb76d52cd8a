//! The state of the connections to one backend, which is behind a lock.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::http1::Http1Connection;
use super::http2::{Availability, Http2Connection};
use super::queue::Queue;

/// The streams that an HTTP/2 connection is expected to have until one was made.
const EXPECTED_STREAMS: usize = 100;

/// The connections to one backend, and the requests that wait for one. `C` is what a request gets.
pub(super) struct State<B, C> {
    /// Connections that are open or being made.
    pub(super) open: usize,
    /// The one that was used last is at the end.
    pub(super) idle: Vec<Idle<B>>,
    pub(super) http2: Vec<Arc<Http2Connection<B>>>,
    /// HTTP/2 connections that are being made.
    pub(super) connecting: usize,
    /// The streams that the latest HTTP/2 connection could have.
    pub(super) stream_limit: usize,
    /// What a server behind TLS chose.
    pub(super) negotiated: Option<Wants>,
    pub(super) waiting_http1: Queue<C>,
    pub(super) waiting_http2: Queue<C>,
    pub(super) is_closed: bool,
    /// What no request wants. It is dropped after the lock is released, since dropping it takes the lock.
    pub(super) unclaimed: Vec<C>,
    /// Connections to close after the lock is released: closing one can drop requests with their streams.
    pub(super) ended: Vec<Arc<Http2Connection<B>>>,
}

/// A connection without a request.
pub(super) struct Idle<B> {
    pub(super) connection: Arc<Http1Connection<B>>,
    pub(super) since: Instant,
}

/// The kind of connection that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Http1,
    Http2,
}

impl<B, C> State<B, C> {
    /// Creates the state of a backend without connections.
    pub(super) const fn new() -> Self {
        Self {
            open: 0,
            idle: Vec::new(),
            http2: Vec::new(),
            connecting: 0,
            stream_limit: EXPECTED_STREAMS,
            negotiated: None,
            waiting_http1: Queue::new(),
            waiting_http2: Queue::new(),
            is_closed: false,
            unclaimed: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Returns a connection with a free stream. Those that take no more streams are removed.
    pub(super) fn free_http2(
        &mut self,
        avoid: Option<&Arc<Http2Connection<B>>>,
    ) -> Option<Arc<Http2Connection<B>>> {
        let mut free = None;
        self.http2.retain(|connection| match connection.availability() {
            Availability::Ended => {
                self.ended.push(Arc::clone(connection));
                false
            }
            Availability::Free
                if free.is_none() && !avoid.is_some_and(|avoid| Arc::ptr_eq(avoid, connection)) =>
            {
                free = Some(Arc::clone(connection));
                true
            }
            Availability::Free | Availability::Busy => true,
        });
        free
    }

    /// Returns whether the requests that wait need one more HTTP/2 connection: those that are being made have too few streams.
    pub(super) fn needs_http2(&mut self) -> bool {
        self.needs_http2_for(0)
    }

    /// Returns whether the requests that wait and one more need one more HTTP/2 connection.
    pub(super) fn needs_http2_for_another(&mut self) -> bool {
        self.needs_http2_for(1)
    }

    /// Returns whether the requests that wait and `new` ones need one more HTTP/2 connection.
    fn needs_http2_for(&mut self, new: usize) -> bool {
        let expected = self.connecting.saturating_mul(self.stream_limit);
        if expected < self.waiting_http2.len() + new {
            // Requests that were cancelled need none.
            self.waiting_http2.forget_cancelled();
        }
        expected < self.waiting_http2.len() + new
    }

    /// Removes `connection` from the pool, and closes it after its streams.
    pub(super) fn end_http2(&mut self, connection: &Arc<Http2Connection<B>>) {
        self.http2.retain(|other| !Arc::ptr_eq(other, connection));
        self.ended.push(Arc::clone(connection));
    }

    /// Ends the connections without streams. They are dropped after the lock, since that takes it again.
    pub(super) fn close_unused_http2(&mut self) {
        self.http2.retain(|connection| {
            let is_used = connection.streams() > 0;
            if !is_used {
                self.ended.push(Arc::clone(connection));
            }
            is_used
        });
    }
}

impl<B> Idle<B> {
    /// Returns whether an idle connection may serve a request.
    pub(super) fn is_usable(&self) -> bool {
        self.connection.is_ready() && !self.rest().is_zero() && !self.connection.is_expired()
    }

    /// Returns how long it may stay idle.
    pub(super) fn rest(&self) -> Duration {
        self.connection.max_idle().saturating_sub(self.since.elapsed())
    }
}
