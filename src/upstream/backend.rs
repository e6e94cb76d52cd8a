//! The connections to one backend: which one a request gets, and which requests wait for one.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::connect::Target;
use super::driver::Keeper;
use super::http1::{Http1Connection, Http1Pool, Lease};
use super::http2::{Http2Connection, Http2Pool, StreamPermit};
use super::settings::{Http2, Settings};
use super::state::{Idle, State, Wants};
use crate::common::lock::lock;

/// One backend, and its connections.
pub(super) struct Backend<B> {
    me: Weak<Self>,
    pub(super) target: Target,
    pub(super) settings: Arc<Settings>,
    state: Mutex<State<B, Claim<B>>>,
}

/// What a request got. Dropping it gives it to the next request, or closes it.
pub(super) enum Claim<B> {
    Http1(Lease<B>),
    Http2(StreamPermit<B>),
    /// The right to make a connection.
    Connect(Attempt<B>),
}

/// What a request got, or where it will get it.
pub(super) enum Found<B> {
    Now(Claim<B>),
    Later(oneshot::Receiver<Claim<B>>),
}

/// The right to make a connection.
pub(super) struct Attempt<B> {
    pub(super) place: Place<B>,
    /// Is there if the connection is meant for HTTP/2.
    pub(super) http2: Option<Connecting<B>>,
}

/// The place of a connection among the most that a backend may have. Its driver holds it.
pub(super) struct Place<B>(Arc<Backend<B>>);

/// An HTTP/2 connection that is being made. Requests wait for it.
pub(super) struct Connecting<B>(Arc<Backend<B>>);

/// The number of connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) open: usize,
    pub(super) idle: usize,
    pub(super) streams: usize,
}

impl<B> Backend<B> {
    /// Creates a backend without connections.
    pub(super) fn new(target: Target, settings: Arc<Settings>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self { me: Weak::clone(me), target, settings, state: Mutex::new(State::new()) })
    }

    /// Changes the state under the lock, and drops the leftovers after it.
    fn with_state<T>(&self, change: impl FnOnce(&mut State<B, Claim<B>>) -> T) -> T {
        let mut state = lock(&self.state);
        let result = change(&mut state);
        let unclaimed = std::mem::take(&mut state.unclaimed);
        let ended = std::mem::take(&mut state.ended);
        drop(state);
        drop(unclaimed);
        for connection in ended {
            connection.close();
        }
        result
    }

    /// Returns the kind of connection for a request.
    pub(super) fn wants(&self, is_grpc: bool) -> Wants {
        match self.settings.http2 {
            Http2::Never => Wants::Http1,
            _ if self.target.tls => lock(&self.state).negotiated.unwrap_or(Wants::Http2),
            Http2::ForGrpc if !is_grpc => Wants::Http1,
            Http2::ForGrpc | Http2::Always => Wants::Http2,
        }
    }

    /// Finds an idle HTTP/1.1 connection, or the right to make one. `is_fresh` takes no idle one.
    pub(super) fn claim_http1(self: &Arc<Self>, is_fresh: bool) -> Found<B> {
        self.with_state(|state| {
            while !is_fresh && let Some(idle) = state.idle.pop() {
                let is_usable = idle.is_usable();
                let claim = Claim::Http1(Lease::new(idle.connection));
                if is_usable {
                    return Found::Now(claim);
                }
                state.unclaimed.push(claim);
            }
            if self.has_room(state) {
                return Found::Now(self.attempt(state, false));
            }
            // No connection may be added. The end of an unused one makes room, and `serve` gives it to a request that waits.
            if let Some(unused) = state.http2.iter().position(|connection| connection.streams() == 0) {
                let unused = state.http2.swap_remove(unused);
                state.ended.push(unused);
            }
            Found::Later(state.waiting_http1.wait())
        })
    }

    /// Finds a free stream, or the right to make a connection. `avoid` is used only if there can be no other connection.
    pub(super) fn claim_http2(self: &Arc<Self>, avoid: Option<&Arc<Http2Connection<B>>>) -> Found<B> {
        self.with_state(|state| {
            if let Some(connection) = state.free_http2(avoid) {
                return Found::Now(Claim::Http2(connection.open()));
            }
            if self.has_room(state) {
                // Otherwise a connection that is being made will have a stream for this request.
                if state.needs_http2_for_another() {
                    return Found::Now(self.attempt(state, true));
                }
            } else if let Some(connection) = state.free_http2(None) {
                return Found::Now(Claim::Http2(connection.open()));
            } else if let Some(unused) = state.idle.pop() {
                // The end of an idle connection makes room, and `serve` gives it to a request that waits.
                state.unclaimed.push(Claim::Http1(Lease::new(unused.connection)));
            }
            Found::Later(state.waiting_http2.wait())
        })
    }

    /// Returns whether one more connection may be opened.
    fn has_room(&self, state: &State<B, Claim<B>>) -> bool {
        state.open < self.settings.max_connections
    }

    /// Takes the place of a new connection. It counts as open from here on, and is given back if connecting
    /// fails.
    fn attempt(self: &Arc<Self>, state: &mut State<B, Claim<B>>, is_http2: bool) -> Claim<B> {
        state.open += 1;
        state.connecting += usize::from(is_http2);
        let http2 = is_http2.then(|| Connecting(Arc::clone(self)));
        Claim::Connect(Attempt { place: Place(Arc::clone(self)), http2 })
    }

    /// Adds a connection, and opens a stream on it.
    pub(super) fn add_http2(self: &Arc<Self>, connection: &Arc<Http2Connection<B>>) -> StreamPermit<B> {
        self.with_state(|state| {
            state.stream_limit = connection.limit().max(1);
            if self.target.tls {
                state.negotiated = Some(Wants::Http2);
                // The server may have chosen HTTP/1.1 before. Requests that wait for it look again.
                state.waiting_http1.clear();
            }
            state.http2.push(Arc::clone(connection));
            let stream = connection.open();
            self.serve(state);
            stream
        })
    }

    /// Records that the server behind TLS chose HTTP/1.1. Requests that wait for HTTP/2 look again.
    pub(super) fn settle_on_http1(&self) {
        self.with_state(|state| {
            state.negotiated = Some(Wants::Http1);
            state.waiting_http2.clear();
        });
    }

    /// Gives free streams and places to the requests that wait, in their order.
    fn serve(self: &Arc<Self>, state: &mut State<B, Claim<B>>) {
        while self.has_room(state) && state.waiting_http1.has_waiting() {
            let attempt = self.attempt(state, false);
            state.unclaimed.extend(state.waiting_http1.hand_over(attempt));
        }
        while let Some(claim) = self.next_for_http2(state) {
            state.unclaimed.extend(state.waiting_http2.hand_over(claim));
        }
    }

    /// Returns a stream, or a place for a connection, for the request over HTTP/2 that has waited longest.
    fn next_for_http2(self: &Arc<Self>, state: &mut State<B, Claim<B>>) -> Option<Claim<B>> {
        if !state.waiting_http2.has_waiting() {
            return None;
        }
        if let Some(connection) = state.free_http2(None) {
            return Some(Claim::Http2(connection.open()));
        }
        (self.has_room(state) && state.needs_http2()).then(|| self.attempt(state, true))
    }

    /// Closes idle connections, and the others when they are idle.
    pub(super) fn close(&self) {
        self.with_state(|state| {
            state.is_closed = true;
            let idle = state.idle.drain(..).map(|idle| Claim::Http1(Lease::new(idle.connection)));
            state.unclaimed.extend(idle);
            state.close_unused_http2();
        });
    }

    /// Returns whether the backend has no connection.
    pub(super) fn is_unused(&self) -> bool {
        // A request that waits holds the backend.
        lock(&self.state).open == 0
    }

    /// Counts the connections and the streams at one moment.
    pub(super) fn counts(&self) -> Counts {
        let state = lock(&self.state);
        let streams: Vec<_> = state.http2.iter().map(|connection| connection.streams()).collect();
        let unused = streams.iter().filter(|streams| **streams == 0).count();
        Counts { open: state.open, idle: state.idle.len() + unused, streams: streams.iter().sum() }
    }
}

impl<B: Send> Http1Pool<B> for Backend<B> {
    fn give_back(&self, connection: Arc<Http1Connection<B>>) {
        self.with_state(|state| {
            let unclaimed = state.waiting_http1.hand_over(Claim::Http1(Lease::new(connection)));
            // A request for HTTP/2 cannot use it, and gets its place.
            let is_kept = self.has_room(state) || !state.needs_http2();
            match unclaimed {
                Some(Claim::Http1(lease))
                    if is_kept && !state.is_closed && state.idle.len() < self.settings.max_idle =>
                {
                    let since = Instant::now();
                    state.idle.extend(lease.into_connection().map(|connection| Idle { connection, since }));
                }
                surplus => state.unclaimed.extend(surplus),
            }
        });
    }
}

impl<B: Send> Http2Pool<B> for Backend<B> {
    fn stream_ended(&self, connection: &Arc<Http2Connection<B>>) {
        self.with_state(|state| {
            connection.count_end();
            if state.is_closed {
                state.close_unused_http2();
            }
            if let Some(me) = self.me.upgrade() {
                me.serve(state);
            }
            // A request for HTTP/1.1 cannot use it, and gets its place.
            if connection.streams() == 0 && !self.has_room(state) && state.waiting_http1.has_waiting() {
                state.end_http2(connection);
            }
        });
    }

    fn limit_rose(&self) {
        self.with_state(|state| {
            if let Some(me) = self.me.upgrade() {
                me.serve(state);
            }
        });
    }
}

impl<B> Keeper<Http1Connection<B>> for Place<B>
where
    B: Send,
{
    fn evict(&self, connection: &Arc<Http1Connection<B>>) -> Option<Duration> {
        let mut state = lock(&self.0.state);
        let position = state.idle.iter().position(|idle| Arc::ptr_eq(&idle.connection, connection));
        // A connection in use cannot have been idle for too long when this is asked again.
        let Some(position) = position else { return Some(self.0.settings.idle_timeout) };
        let rest = state.idle[position].rest();
        if rest.is_zero() {
            state.idle.remove(position);
            return None;
        }
        Some(rest)
    }

    fn remove(&self, connection: &Arc<Http1Connection<B>>) {
        lock(&self.0.state).idle.retain(|idle| !Arc::ptr_eq(&idle.connection, connection));
    }
}

impl<B> Keeper<Http2Connection<B>> for Place<B>
where
    B: Send,
{
    fn evict(&self, connection: &Arc<Http2Connection<B>>) -> Option<Duration> {
        let mut state = lock(&self.0.state);
        let limit = self.0.settings.idle_timeout;
        let Some(idle) = connection.idle_time() else { return Some(limit) };
        if idle < limit {
            return Some(limit.saturating_sub(idle));
        }
        state.http2.retain(|other| !Arc::ptr_eq(other, connection));
        None
    }

    fn remove(&self, connection: &Arc<Http2Connection<B>>) {
        self.0.with_state(|state| {
            state.http2.retain(|other| !Arc::ptr_eq(other, connection));
            self.0.serve(state);
        });
    }
}

impl<B> Drop for Place<B> {
    fn drop(&mut self) {
        self.0.with_state(|state| {
            state.open -= 1;
            self.0.serve(state);
        });
    }
}

impl<B> Drop for Connecting<B> {
    fn drop(&mut self) {
        self.0.with_state(|state| {
            state.connecting -= 1;
            self.0.serve(state);
        });
    }
}
