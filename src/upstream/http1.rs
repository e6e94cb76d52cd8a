//! A connection that serves one request at a time.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::body::{Body, Hold, Reusable};
use super::engine::Engine;
use super::hints::{keep_alive, negotiates_connection};
use super::payload::{Payload, Sent, SentBody, Unsent, Upload};
use super::settings::HeadLimits;
use super::wire::Reads;
use crate::common::lock::lock;

/// The pool that a connection returns to.
pub(super) trait Http1Pool<B>: Send + Sync {
    /// Takes the connection back after its response has ended.
    fn give_back(&self, connection: Arc<Http1Connection<B>>);
}

/// A connection with HTTP/1.1.
///
/// The driver takes the sender when it ends. This is what makes every request resolve: a request that was queued while hyper
/// dropped its end of the queue stays in there until the last sender is gone, and it must not wait for itself.
pub(super) struct Http1Connection<B> {
    sender: Mutex<Option<SendRequest<Payload<B>>>>,
    engine: Engine,
    pool: Weak<dyn Http1Pool<B>>,
    reads: Arc<Reads>,
    expiry: Option<Instant>,
    /// The longest idle time, in milliseconds.
    max_idle: AtomicU64,
    /// Whether it carries the identity of a client, and serves no other one.
    is_private: AtomicBool,
    /// Whether a request body is on its way.
    is_uploading: AtomicBool,
    /// Whether its exchange was given up.
    is_abandoned: AtomicBool,
    /// Whether the response has ended, and hyper has not finished with the request yet. The driver waits for that.
    is_ending: AtomicBool,
}

/// A connection in use. Dropping it closes the connection.
pub(super) struct Lease<B>(Option<Arc<Http1Connection<B>>>);

// === impl Http1Connection ===

impl<B> Http1Connection<B> {
    /// Creates the record of a connection. `max_idle` is the idle time of the settings, which the backend may shorten.
    pub(super) fn new(
        sender: SendRequest<Payload<B>>,
        engine: Engine,
        pool: Weak<dyn Http1Pool<B>>,
        reads: Arc<Reads>,
        expiry: Option<Instant>,
        max_idle: Duration,
    ) -> Self {
        Self {
            sender: Mutex::new(Some(sender)),
            engine,
            pool,
            reads,
            expiry,
            max_idle: AtomicU64::new(millis(max_idle)),
            is_private: AtomicBool::new(false),
            is_uploading: AtomicBool::new(false),
            is_abandoned: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
        }
    }

    /// Closes the connection after the exchange on it.
    pub(super) fn close(&self) {
        let sender = lock(&self.sender).take();
        // Dropped without the lock: it wakes the driver.
        drop(sender);
    }

    /// Closes the connection without the end of the exchange on it.
    ///
    /// The driver drops it. hyper would first write what it has buffered of the request, and a peer that does not read would
    /// keep the connection and the request body for as long as it likes.
    pub(super) fn abandon(&self) {
        // Release: pairs with the Acquire in `is_abandoned`, which the driver calls after it registered its waker.
        self.is_abandoned.store(true, Ordering::Release);
        self.close();
        self.engine.hand_over();
    }

    /// Returns hyper's end of the connection.
    pub(super) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns whether the response was given up, so that the driver has to end.
    pub(super) fn is_abandoned(&self) -> bool {
        // Acquire: pairs with the Release in `abandon`.
        self.is_abandoned.load(Ordering::Acquire)
    }

    /// Returns whether the response has ended before the request.
    pub(super) fn is_ending(&self) -> bool {
        // Acquire: pairs with the Release in `reuse`.
        self.is_ending.load(Ordering::Acquire)
    }

    /// Returns the number of writes so far.
    pub(super) fn writes(&self) -> usize {
        self.reads.writes()
    }

    /// Returns whether hyper would send a request now. It would not if the backend has closed the connection.
    pub(super) fn is_ready(&self) -> bool {
        lock(&self.sender).as_ref().is_some_and(SendRequest::is_ready)
    }

    /// Returns whether the connection is too old for another request.
    pub(super) fn is_expired(&self) -> bool {
        self.expiry.is_some_and(|expiry| expiry <= Instant::now())
    }

    /// Returns how long the connection may be idle: the setting, or less if the backend said so (`Keep-Alive:
    /// timeout=`).
    pub(super) fn max_idle(&self) -> Duration {
        // Relaxed, as `is_private`: the request that holds the connection writes it, and the lock of the pool comes after.
        Duration::from_millis(self.max_idle.load(Ordering::Relaxed))
    }

    /// Returns the connection to the pool once hyper is ready for another request. Called by the driver, whose waker is
    /// registered.
    pub(super) fn poll_return(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_ending() {
            return Poll::Pending;
        }
        let ready = match &mut *lock(&self.sender) {
            Some(sender) => ready!(sender.poll_ready(cx)),
            None => return Poll::Ready(()),
        };
        // Relaxed: the lock of the pool orders it for the next request.
        self.is_ending.store(false, Ordering::Relaxed);
        if ready.is_ok() {
            self.give_back();
        }
        Poll::Ready(())
    }

    /// Gives the connection to its pool. Without a pool nobody would use it, so it is closed.
    fn give_back(self: &Arc<Self>) {
        // First: the next request may begin as soon as the pool has the connection.
        if self.engine.end_request() {
            self.engine.wake_driver();
        }
        match self.pool.upgrade() {
            Some(pool) => pool.give_back(Arc::clone(self)),
            None => self.close(),
        }
    }

    /// Returns whether a part of the request is on its way: its body, or what the backend has not taken of it yet.
    fn is_sending(&self) -> bool {
        // Acquire: pairs with the Release in `ended`, so what the request body held is free.
        self.is_uploading.load(Ordering::Acquire) || self.reads.is_write_pending()
    }

    /// Returns whether another request may use the connection.
    fn is_reusable(&self) -> bool {
        !self.is_private.load(Ordering::Relaxed)
            // A backend that responds early may read the rest of the body as further requests.
            && !self.is_sending()
            && self.max_idle.load(Ordering::Relaxed) > 0
            && !self.is_expired()
    }
}

impl<B: Send + 'static> Reusable for Http1Connection<B> {
    fn reuse(self: Arc<Self>) {
        if !self.is_reusable() {
            self.close();
        } else if self.is_ready() {
            return self.give_back();
        }
        // Before the driver may see that the response has ended: it then gives the connection to another request.
        self.engine.end_request();
        // Release: pairs with the Acquire in `is_ending`. Before the driver is woken, which so sees it.
        self.is_ending.store(true, Ordering::Release);
        self.engine.wake_driver();
    }

    fn poll_frame(
        &self,
        incoming: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.engine.poll_for_request(cx, |cx| Pin::new(&mut *incoming).poll_frame(cx))
    }

    fn abandon(&self) {
        Self::abandon(self);
    }
}

impl<B: Send> Upload for Http1Connection<B> {
    fn ended(&self) {
        // Release: pairs with the Acquire in `is_reusable`.
        self.is_uploading.store(false, Ordering::Release);
    }
}

// === impl Lease ===

impl<B> Lease<B> {
    pub(super) const fn new(connection: Arc<Http1Connection<B>>) -> Self {
        Self(Some(connection))
    }

    /// Returns the number of reads so far.
    pub(super) fn reads(&self) -> usize {
        self.0.as_ref().map_or(0, |connection| connection.reads.count())
    }

    /// Gives the connection up for the pool, without closing it: it belongs to an upgrade now, which the driver begins.
    fn detach(mut self) {
        if let Some(connection) = self.0.take() {
            connection.engine.hand_over();
        }
    }

    /// Takes the connection out of the lease, which then does not give it back.
    pub(super) fn into_connection(mut self) -> Option<Arc<Http1Connection<B>>> {
        self.0.take()
    }
}

impl<B: SentBody> Lease<B> {
    /// Sends a request, or returns it if the connection is closed. The future resolves when the response head is there.
    pub(super) fn send(
        &self,
        mut request: Request<Payload<B>>,
        is_private: bool,
    ) -> Result<impl Future<Output = Sent<B>>, Unsent<B>> {
        let Some(connection) = &self.0 else { return Err(Box::new(request)) };
        let mut sender = lock(&connection.sender);
        let Some(sender) = &mut *sender else { return Err(Box::new(request)) };
        if is_private {
            connection.is_private.store(true, Ordering::Relaxed);
        }
        if !request.body().is_empty() {
            // Relaxed: hyper gets the body, which clears it, by the channel below.
            connection.is_uploading.store(true, Ordering::Relaxed);
            let upload: Arc<Http1Connection<B>> = Arc::clone(connection);
            request.body_mut().attach(upload);
        }
        connection.engine.begin_request();
        let sent = sender.try_send_request(request);
        Ok(async {
            let mut sent = pin!(sent);
            poll_fn(|cx| connection.engine.poll_for_request(cx, |cx| sent.as_mut().poll(cx))).await
        })
    }

    /// Makes the response that holds the connection until its end.
    pub(super) fn accept(
        self,
        response: Response<Incoming>,
        is_connect: bool,
        limits: HeadLimits,
    ) -> Response<Body> {
        if is_upgrade(&response, is_connect) {
            self.detach();
            return response.map(|body| Body::new(body, Hold::Nothing, limits));
        }
        let Some(connection) = self.into_connection() else {
            return response.map(|body| Body::new(body, Hold::Nothing, limits));
        };
        // The rest of the request goes on whether the caller reads the response or not.
        if connection.is_sending() {
            connection.engine.hand_over();
        }
        if negotiates_connection(response.headers()) {
            connection.is_private.store(true, Ordering::Relaxed);
        }
        if let Some(hint) = keep_alive(response.headers()) {
            connection.max_idle.fetch_min(millis(hint), Ordering::Relaxed);
        }
        response.map(|body| Body::new(body, Hold::Connection(connection), limits))
    }
}

impl<B> Drop for Lease<B> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.abandon();
        }
    }
}

/// Returns whether the connection carries another protocol from now on.
fn is_upgrade(response: &Response<Incoming>, is_connect: bool) -> bool {
    response.status() == StatusCode::SWITCHING_PROTOCOLS || (is_connect && response.status().is_success())
}

/// Returns whole milliseconds, as the atomic fields have them.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
