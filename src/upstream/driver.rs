//! The futures of connections: they run hyper's connection, and end it when it was idle for too long.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, Stream};
use hyper::client::conn::http2;
use hyper::rt::Executor;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep};

use super::http1::Http1Connection;
use super::http2::Http2Connection;
use crate::common::lock::lock;

/// The maximum time without a write for a request whose response has ended.
const MAX_STALL: Duration = Duration::from_secs(60);

/// The future of one stream.
type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The pool as a driver sees it. It holds the place of the connection until the driver is dropped.
pub(super) trait Keeper<C>: Send {
    /// Removes the connection if it was idle for too long. Otherwise returns when to ask again.
    fn evict(&self, connection: &Arc<C>) -> Option<Duration>;

    /// Removes the connection, which has ended.
    fn remove(&self, connection: &Arc<C>);
}

// === HTTP/1.1 ===

/// The future of a connection with HTTP/1.1. It polls hyper while no request does.
pub(super) struct Http1Driver<B, K: Keeper<Http1Connection<B>>> {
    connection: Arc<Http1Connection<B>>,
    keeper: K,
    idle: Pin<Box<Sleep>>,
    stall: Option<Stall>,
}

/// The wait for the end of a request whose response has ended.
struct Stall {
    end: Pin<Box<Sleep>>,
    /// The number of writes when it began.
    writes: usize,
}

impl<B, K: Keeper<Http1Connection<B>>> Http1Driver<B, K> {
    /// `idle_timeout` is the longest idle time.
    pub(super) fn new(connection: Arc<Http1Connection<B>>, keeper: K, idle_timeout: Duration) -> Self {
        Self { connection, keeper, idle: Box::pin(sleep(idle_timeout)), stall: None }
    }

    /// Resolves when the peer has taken no byte of the rest of a request for too long. Its response has ended, so nothing else
    /// limits that time.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.connection.is_ending() {
            self.stall = None;
            return Poll::Pending;
        }
        loop {
            let writes = self.connection.writes();
            let stall = self.stall.get_or_insert_with(|| Stall { end: Box::pin(sleep(MAX_STALL)), writes });
            ready!(stall.end.as_mut().poll(cx));
            if stall.writes == writes {
                return Poll::Ready(());
            }
            self.stall = None;
        }
    }
}

impl<B, K: Keeper<Http1Connection<B>> + Unpin> Future for Http1Driver<B, K> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        // First, so that no later change is missed.
        this.connection.engine().register_driver(cx);
        if this.connection.is_abandoned() || this.connection.engine().poll_by_driver().is_ready() {
            return Poll::Ready(());
        }
        // The driver goes on whether the connection returned or not.
        let _ = this.connection.poll_return(cx);
        if this.poll_stall(cx).is_ready() {
            return Poll::Ready(());
        }
        poll_idle(&mut this.idle, &this.keeper, &this.connection, cx)
    }
}

impl<B, K: Keeper<Http1Connection<B>>> Drop for Http1Driver<B, K> {
    fn drop(&mut self) {
        // hyper's end of the queue first: a request that is queued after this finds no sender.
        self.connection.engine().stop();
        self.connection.close();
        self.keeper.remove(&self.connection);
    }
}

/// Resolves when the pool has given up the connection.
fn poll_idle<C>(
    idle: &mut Pin<Box<Sleep>>,
    keeper: &impl Keeper<C>,
    connection: &Arc<C>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    loop {
        ready!(idle.as_mut().poll(cx));
        match keeper.evict(connection) {
            Some(rest) => {
                // Not in the past, so that this loop ends, and seldom, also with an idle timeout of 0.
                let rest = rest.max(Duration::from_millis(100));
                let now = Instant::now();
                idle.as_mut().reset(now.checked_add(rest).unwrap_or(now + Duration::from_secs(3_600)));
            }
            None => return Poll::Ready(()),
        }
    }
}

// === HTTP/2 ===

/// Runs the futures of one HTTP/2 connection inside of its driver, so that none of them outlives it.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Mutex<Vec<BoxFuture>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, future: F) {
        lock(&self.0).push(Box::pin(future));
    }
}

impl Streams {
    /// Takes the futures that were executed since the last call.
    fn take(&self) -> Vec<BoxFuture> {
        std::mem::take(&mut *lock(&self.0))
    }
}

/// The future of a connection with HTTP/2.
///
/// hyper divides it: `dispatch` opens streams, the first future that it executes reads and writes, and further ones carry the
/// bodies and the responses. All of them run here, in one task.
pub(super) struct Http2Driver<B, D, K: Keeper<Http2Connection<B>>> {
    dispatch: Option<Pin<Box<D>>>,
    wire: Option<BoxFuture>,
    running: FuturesUnordered<BoxFuture>,
    streams: Streams,
    connection: Arc<Http2Connection<B>>,
    keeper: K,
    idle: Pin<Box<Sleep>>,
    /// Signals that the peer has sent its limit.
    usable: Option<oneshot::Sender<()>>,
}

/// hyper's dispatcher, with the limit that the peer has set.
pub(super) trait Dispatch: Future {
    /// Returns how many streams the backend allows now. 0 before its SETTINGS have arrived.
    fn max_streams(&self) -> usize;
}

impl<T, B, E> Dispatch for http2::Connection<T, B, E>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    B: http_body::Body<Data: Send, Error: Into<crate::common::error::BoxError>> + Unpin + 'static,
    E: hyper::rt::bounds::Http2ClientConnExec<B, T> + Unpin,
{
    fn max_streams(&self) -> usize {
        self.current_max_send_streams()
    }
}

impl<B, D: Dispatch, K: Keeper<Http2Connection<B>>> Http2Driver<B, D, K> {
    /// `streams` has executed nothing but the future that reads and writes.
    pub(super) fn new(
        dispatch: D,
        streams: Streams,
        connection: Arc<Http2Connection<B>>,
        keeper: K,
        idle_timeout: Duration,
        usable: oneshot::Sender<()>,
    ) -> Self {
        Self {
            dispatch: Some(Box::pin(dispatch)),
            wire: streams.take().pop(),
            running: FuturesUnordered::new(),
            streams,
            connection,
            keeper,
            idle: Box::pin(sleep(idle_timeout)),
            usable: Some(usable),
        }
    }

    /// Runs the connection, and removes it from its pool when it ends.
    fn poll_dispatch(&mut self, cx: &mut Context<'_>) {
        if let Some(dispatch) = &mut self.dispatch
            && dispatch.as_mut().poll(cx).is_ready()
        {
            // A request in the queue is given back by this.
            self.dispatch = None;
            self.connection.close();
            self.keeper.remove(&self.connection);
        }
    }

    /// Runs the streams that hyper has handed over.
    fn poll_streams(&mut self, cx: &mut Context<'_>) {
        self.running.extend(self.streams.take());
        while let Poll::Ready(Some(())) = Pin::new(&mut self.running).poll_next(cx) {}
    }

    /// Publishes the limit of streams. The first limit above 0 makes the connection usable.
    fn publish_limit(&mut self) {
        let Some(dispatch) = &self.dispatch else { return };
        let limit = dispatch.max_streams();
        self.connection.set_limit(limit);
        if limit > 0
            && let Some(usable) = self.usable.take()
        {
            // The request that made the connection may be gone. The connection serves others then.
            let _ = usable.send(());
        }
    }
}

impl<B, D: Dispatch, K: Keeper<Http2Connection<B>> + Unpin> Future for Http2Driver<B, D, K> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.poll_dispatch(cx);
        this.poll_streams(cx);
        // Last, since it writes what the others have queued.
        let has_ended = this.wire.as_mut().is_none_or(|wire| wire.as_mut().poll(cx).is_ready());
        if has_ended {
            // Everything resolves with the reason of the end. What does not is dropped with the driver.
            this.wire = None;
            this.poll_streams(cx);
            this.poll_dispatch(cx);
            this.poll_streams(cx);
            return Poll::Ready(());
        }
        this.publish_limit();
        poll_idle(&mut this.idle, &this.keeper, &this.connection, cx)
    }
}

impl<B, D, K: Keeper<Http2Connection<B>>> Drop for Http2Driver<B, D, K> {
    fn drop(&mut self) {
        self.dispatch = None;
        self.connection.close();
        self.keeper.remove(&self.connection);
        // The streams and their queue hold each other.
        drop(self.streams.take());
    }
}
