//! The activity of one client connection, and the time limits that follow from it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::limits::{ClientLimits, HEAD_TIMEOUT};

/// No byte of a request head has arrived. Larger values are [`BEGUN`], or the time of the first byte.
const NO_HEAD: u64 = 0;

/// A head has begun, and its time is not taken yet: most heads are complete before they need one.
const BEGUN: u64 = 1;

/// Maximum time for a client without a request in flight to end a connection that is closing.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How the gateway closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Close {
    Immediately,
    Gracefully,
}

/// The state of a connection: its stream and its requests write it, and the task with the time limits reads it.
///
/// All of them run on one thread, so no order between the fields is needed. Times are in milliseconds since `start`.
#[derive(Debug)]
pub(crate) struct Activity {
    start: Instant,
    /// Requests of which a body has not ended yet.
    open_requests: AtomicUsize,
    /// The time when the last request ended, or when the client has taken the rest of its response.
    idle_since: AtomicU64,
    head: AtomicU64,
    /// One more than the time since which the client takes no bytes. 0 if it takes them.
    blocked_since: AtomicU64,
    is_http2: AtomicBool,
    is_tunnel: AtomicBool,
    /// Whether the last bytes received end with an empty line, as a request head does.
    ends_with_empty_line: AtomicBool,
    /// Whether the request body was dropped before its end.
    has_unread_body: AtomicBool,
    /// Wakes the task with the time limits, for a limit that is shorter than the one it waits for.
    changed: Notify,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            open_requests: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            head: AtomicU64::new(NO_HEAD),
            blocked_since: AtomicU64::new(0),
            is_http2: AtomicBool::new(false),
            is_tunnel: AtomicBool::new(false),
            ends_with_empty_line: AtomicBool::new(true),
            has_unread_body: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    /// Records that the client has sent the preface of HTTP/2: from now on heads are frames among others.
    pub(crate) fn start_http2(&self) {
        self.is_http2.store(true, Relaxed);
        self.head.store(NO_HEAD, Relaxed);
        self.idle_since.store(self.now(), Relaxed);
    }

    /// Records bytes of the client.
    pub(crate) fn received(&self, bytes: &[u8]) {
        if self.is_http2.load(Relaxed) {
            return;
        }
        self.ends_with_empty_line.store(bytes.ends_with(b"\r\n\r\n"), Relaxed);
        // Empty lines before a request are ignored (RFC 9112, 2.2).
        let is_empty_line = bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        if self.open_requests.load(Relaxed) == 0 && self.head.load(Relaxed) == NO_HEAD && !is_empty_line {
            self.head.store(BEGUN, Relaxed);
        }
    }

    /// Records that all bytes of the client are read. A head that has begun is incomplete: its time starts.
    pub(crate) fn waits_for_bytes(&self) {
        if self.head.load(Relaxed) == BEGUN && self.open_requests.load(Relaxed) == 0 {
            self.head.store(self.now() + BEGUN + 1, Relaxed);
            self.changed.notify_one();
        }
    }

    /// Records that the client takes no bytes.
    pub(crate) fn is_blocked(&self) {
        self.blocked_since.store(self.now() + 1, Relaxed);
    }

    /// Records that the client takes bytes again.
    pub(crate) fn is_unblocked(&self) {
        self.blocked_since.store(0, Relaxed);
        if self.open_requests.load(Relaxed) == 0 {
            self.idle_since.store(self.now(), Relaxed);
        }
    }

    /// Records a complete request head.
    pub(crate) fn starts_request(&self, has_body: bool) {
        self.open_requests.fetch_add(1, Relaxed);
        if self.is_http2.load(Relaxed) {
            return;
        }
        // The bytes behind a request without a body are the begin of the next head.
        let has_next = !has_body && !self.ends_with_empty_line.load(Relaxed);
        self.head.store(if has_next { BEGUN } else { NO_HEAD }, Relaxed);
        self.has_unread_body.store(false, Relaxed);
    }

    /// Records one more body of a request that has started.
    pub(crate) fn starts_body(&self) {
        self.open_requests.fetch_add(1, Relaxed);
    }

    /// Records the end of what [`starts_request`](Self::starts_request) or [`starts_body`](Self::starts_body) recorded.
    pub(crate) fn ends(&self) {
        if self.open_requests.fetch_sub(1, Relaxed) == 1 {
            self.idle_since.store(self.now(), Relaxed);
        }
    }

    /// Records that the rest of the request body is not read.
    pub(crate) fn leaves_body_unread(&self) {
        self.has_unread_body.store(true, Relaxed);
    }

    /// Records that the connection changes its protocol. Its limits end.
    pub(crate) fn starts_tunnel(&self) {
        self.is_tunnel.store(true, Relaxed);
    }

    /// Returns whether the client of an HTTP/1 connection may still send what the gateway does not read.
    pub(crate) fn has_unread_bytes(&self) -> bool {
        let is_http2 = self.is_http2.load(Relaxed);
        !is_http2 && (self.has_unread_body.load(Relaxed) || self.head.load(Relaxed) != NO_HEAD)
    }

    /// Waits until a limit has expired. `closing` is the time since which the connection is closing gracefully.
    pub(crate) async fn expired(&self, limits: &ClientLimits, closing: Option<Instant>) -> Close {
        let recheck = if closing.is_some() { CLOSE_TIMEOUT } else { Duration::MAX }.min(limits.shortest());
        loop {
            let now = Instant::now();
            let mut wake = now + recheck;
            if let Some((expiry, close)) = self.next_expiry(limits, closing) {
                if expiry <= now {
                    return close;
                }
                // Other limits may start meanwhile, and only the limit for heads wakes this task.
                wake = wake.min(expiry);
            }
            tokio::select! { () = sleep_until(wake) => {} () = self.changed.notified() => {} }
        }
    }

    /// Returns when the next limit expires, and how the connection is then closed.
    fn next_expiry(&self, limits: &ClientLimits, closing: Option<Instant>) -> Option<(Instant, Close)> {
        if self.is_tunnel.load(Relaxed) {
            return None;
        }
        let blocked = self.blocked_since.load(Relaxed).checked_sub(1);
        let blocked = blocked.map(|since| (self.at(since) + limits.body_idle, Close::Immediately));
        blocked.into_iter().chain(self.idle_expiry(limits, closing)).min()
    }

    fn idle_expiry(&self, limits: &ClientLimits, closing: Option<Instant>) -> Option<(Instant, Close)> {
        if self.open_requests.load(Relaxed) > 0 {
            return None;
        }
        if let Some(since) = self.head.load(Relaxed).checked_sub(BEGUN + 1) {
            return Some((self.at(since) + HEAD_TIMEOUT, Close::Immediately));
        }
        let idle_since = self.at(self.idle_since.load(Relaxed));
        match (self.is_http2.load(Relaxed), closing) {
            (false, None) => Some((idle_since + limits.idle, Close::Gracefully)),
            (true, None) => Some((idle_since + limits.http2_idle, Close::Gracefully)),
            // The client still takes the last response, which has a limit of its own.
            (false, Some(_)) if self.blocked_since.load(Relaxed) > 0 => None,
            // hyper waits until an HTTP/2 client has acknowledged GOAWAY, and for the head of a request if an HTTP/1 client has
            // sent an empty line before its first one.
            (_, Some(begin)) => Some((idle_since.max(begin) + CLOSE_TIMEOUT, Close::Immediately)),
        }
    }

    fn at(&self, milliseconds: u64) -> Instant {
        self.start + Duration::from_millis(milliseconds)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
