//! A connection that serves many requests at once.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use tokio::time::Instant;

use super::body::{Body, Hold};
use super::error::Error;
use super::hints::{is_within, negotiates_connection};
use super::payload::{Payload, Sent, SentBody, Unsent, Upload};
use super::settings::{HeadLimits, MAX_STREAMS};
use super::wire::Reads;
use crate::common::lock::lock;

/// How long an answer to a PING may take before new streams go elsewhere, at most.
const PING_GRACE: Duration = Duration::from_secs(1);

/// The pool of a connection.
pub(super) trait Http2Pool<B>: Send + Sync {
    /// A stream has ended and is free for another request.
    fn stream_ended(&self, connection: &Arc<Http2Connection<B>>);

    /// A connection may have more streams than before.
    fn limit_rose(&self);
}

/// A connection with HTTP/2. Its streams are counted under the lock of the pool.
///
/// As for HTTP/1.1, the driver takes the one sender when it ends, which makes every request resolve.
pub(super) struct Http2Connection<B> {
    sender: Mutex<Option<SendRequest<Payload<B>>>>,
    pool: Weak<dyn Http2Pool<B>>,
    reads: Arc<Reads>,
    expiry: Option<Instant>,
    /// After this time without a read, an answer to a PING is overdue.
    max_silence: Duration,
    /// The number of streams that the peer allows. Relaxed: the driver takes the lock of the pool after it published a higher
    /// one, so a request waits for a stream only if it has not missed one.
    limit: AtomicUsize,
    /// The number of open streams. Relaxed: counted under the lock of the pool.
    streams: AtomicUsize,
    /// When the number of streams last became 0, or ceased to be 0: milliseconds since the opening. Relaxed: written under the
    /// lock of the pool.
    changed: AtomicU64,
    /// Whether it carries the identity of a client, and serves no other one. Relaxed: written by the request that holds a
    /// stream. The lock of the pool orders it for the next one.
    is_private: AtomicBool,
}

/// A stream in use. It is free again when the response has ended and the request body was sent.
pub(super) struct StreamPermit<B>(Arc<Http2Connection<B>>);

/// What a connection can do for a new request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    Free,
    /// It has as many streams as it may have, or it does not answer a PING. This can change.
    Busy,
    /// It takes no new streams any more.
    Ended,
}

// === impl Http2Connection ===

impl<B> Http2Connection<B> {
    pub(super) fn new(
        sender: SendRequest<Payload<B>>,
        pool: Weak<dyn Http2Pool<B>>,
        reads: Arc<Reads>,
        expiry: Option<Instant>,
        (ping_interval, ping_timeout): (Duration, Duration),
    ) -> Self {
        Self {
            sender: Mutex::new(Some(sender)),
            pool,
            reads,
            expiry,
            max_silence: ping_interval.saturating_add(ping_timeout.min(PING_GRACE)),
            limit: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
            changed: AtomicU64::new(0),
            is_private: AtomicBool::new(false),
        }
    }

    /// Takes no new streams any more. The connection closes after the last stream.
    pub(super) fn close(&self) {
        let sender = lock(&self.sender).take();
        drop(sender);
    }

    /// Returns whether no more streams can be opened.
    pub(super) fn is_closed(&self) -> bool {
        lock(&self.sender).as_ref().is_none_or(SendRequest::is_closed)
    }

    /// Returns the number of open streams.
    pub(super) fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// Returns how many streams it may have.
    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed).min(MAX_STREAMS)
    }

    /// Publishes the limit of the peer, and lets requests that wait use a higher one.
    pub(super) fn set_limit(&self, limit: usize) {
        if self.limit.swap(limit, Ordering::Relaxed) < limit
            && let Some(pool) = self.pool.upgrade()
        {
            pool.limit_rose();
        }
    }

    /// Returns how long it has had no stream.
    pub(super) fn idle_time(&self) -> Option<Duration> {
        (self.streams() == 0).then(|| self.reads.age().saturating_sub(self.changed()))
    }

    /// Returns whether a request may open a stream now, later, or never.
    pub(super) fn availability(&self) -> Availability {
        let is_expired = self.expiry.is_some_and(|expiry| expiry <= Instant::now());
        if is_expired || self.is_private.load(Ordering::Relaxed) || self.is_closed() {
            Availability::Ended
        } else if self.streams() >= self.limit() || self.is_silent() {
            Availability::Busy
        } else {
            Availability::Free
        }
    }

    /// Returns whether the peer does not answer a PING.
    ///
    /// hyper sends one when nothing was read for the interval while there are streams. So an answer is overdue a little later.
    fn is_silent(&self) -> bool {
        let heard = self.reads.last().max(self.changed());
        self.streams() > 0 && self.reads.age().saturating_sub(heard) > self.max_silence
    }

    /// Returns the age of the connection when its number of streams changed last.
    fn changed(&self) -> Duration {
        Duration::from_millis(self.changed.load(Ordering::Relaxed))
    }

    /// Opens a stream. The caller holds the lock of the pool.
    pub(super) fn open(self: &Arc<Self>) -> StreamPermit<B> {
        if self.streams.fetch_add(1, Ordering::Relaxed) == 0 {
            self.record_change();
        }
        StreamPermit(Arc::clone(self))
    }

    /// Counts the end of a stream. The caller holds the lock of the pool.
    pub(super) fn count_end(&self) {
        if self.streams.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.record_change();
        }
    }

    /// Records that the number of streams changed.
    fn record_change(&self) {
        let age = u64::try_from(self.reads.age().as_millis()).unwrap_or(u64::MAX);
        self.changed.store(age, Ordering::Relaxed);
    }
}

// === impl StreamPermit ===

impl<B> StreamPermit<B> {
    /// Returns the connection that carries the stream.
    pub(super) const fn connection(&self) -> &Arc<Http2Connection<B>> {
        &self.0
    }
}

impl<B: SentBody> StreamPermit<B> {
    /// Sends a request, or returns it if the connection is closed. The future does not keep the connection open.
    pub(super) fn send(
        self: &Arc<Self>,
        mut request: Request<Payload<B>>,
        is_private: bool,
    ) -> Result<impl Future<Output = Sent<B>> + use<B>, Unsent<B>> {
        if is_private {
            self.0.is_private.store(true, Ordering::Relaxed);
        }
        let mut sender = lock(&self.0.sender);
        let Some(sender) = &mut *sender else { return Err(Box::new(request)) };
        let upload: Arc<Self> = Arc::clone(self);
        request.body_mut().attach(upload);
        Ok(sender.try_send_request(request))
    }

    /// Makes the response that holds the stream until its end.
    pub(super) fn accept(
        self: Arc<Self>,
        response: Response<Incoming>,
        limits: HeadLimits,
    ) -> Result<Response<Body>, Error> {
        if negotiates_connection(response.headers()) {
            self.0.is_private.store(true, Ordering::Relaxed);
        }
        if !is_within(limits, response.headers()) {
            return Err(Error::too_large());
        }
        Ok(response.map(|body| Body::new(body, Hold::Stream(self), limits)))
    }
}

impl<B: Send> Upload for StreamPermit<B> {
    // Dropping the payload's permit is all.
    fn ended(&self) {}
}

impl<B> Drop for StreamPermit<B> {
    fn drop(&mut self) {
        match self.0.pool.upgrade() {
            Some(pool) => pool.stream_ended(&self.0),
            None => self.0.count_end(),
        }
    }
}
