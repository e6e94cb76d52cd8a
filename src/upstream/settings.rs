//! The settings of a client, which its pools share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::rt::Executor;
use hyper_util::rt::TokioTimer;
use tokio::time::Instant;

use super::connect::Connector;
use super::task::Task;

/// When the client uses HTTP/2 for `http` URLs. The protocol for `https` URLs is negotiated by ALPN.
///
/// ```
/// use http_body_util::Empty;
/// use hyper_util::rt::TokioExecutor;
/// use tower_canary::probe::UrlPolicy;
/// use tower_canary::upstream::{Client, Http2};
///
/// let client: Client<Empty<bytes::Bytes>> =
///     Client::new(UrlPolicy::new(), TokioExecutor::new()).with_http2(Http2::Always);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Http2 {
    /// Never, not even for `https` URLs.
    Never,
    /// For gRPC, which needs it. Few other backends understand HTTP/2 without TLS.
    #[default]
    ForGrpc,
    /// For every request.
    Always,
}

/// The settings of a client.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) connector: Connector,
    pub(super) executor: Arc<dyn Executor<Task> + Send + Sync>,
    pub(super) connect_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) max_age: Duration,
    pub(super) max_idle: usize,
    pub(super) max_connections: usize,
    pub(super) http2: Http2,
    pub(super) limits: HeadLimits,
    pub(super) ping_interval: Duration,
    pub(super) ping_timeout: Duration,
}

/// The limits for the head of a response, and for its trailers.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadLimits {
    pub(super) size: usize,
    pub(super) headers: usize,
}

/// Window of an HTTP/2 stream, in bytes: what a reader that stalls can occupy.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The most streams of one HTTP/2 connection, whatever the peer allows.
pub(super) const MAX_STREAMS: usize = 128;

/// Window of an HTTP/2 connection. All streams may stall at once, and the next one still gets its window.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 128;

/// The smallest buffer that hyper accepts, in bytes.
const MIN_BUFFER: usize = 8 * 1024;

/// hyper's limit for the number of headers, for which its parser needs no allocation.
const HYPERS_MAX_HEADERS: usize = 100;

/// The most names that a `HeaderMap` can hold. hyper panics beyond that.
const MAP_CAPACITY: usize = 24_576;

/// Stands for a time that never ends: hyper adds it to an `Instant`, which would overflow.
const NEVER: Duration = Duration::from_hours(24 * 365);

/// The header list that h2 reads, in multiples of our limit. h2 drops the fields beyond its own limit, silently in trailers. So
/// its limit is far above ours, which then fails visibly.
const H2_LIST_FACTOR: usize = 16;

impl Settings {
    /// Creates the defaults.
    pub(super) fn new(connector: Connector, executor: Arc<dyn Executor<Task> + Send + Sync>) -> Self {
        Self {
            connector,
            executor,
            connect_timeout: Duration::from_secs(3),
            idle_timeout: Duration::from_secs(4),
            max_age: Duration::from_secs(5 * 60),
            max_idle: 1_024,
            max_connections: usize::MAX,
            http2: Http2::default(),
            limits: HeadLimits { size: 64 * 1024, headers: HYPERS_MAX_HEADERS },
            ping_interval: Duration::from_secs(10),
            ping_timeout: Duration::from_secs(10),
        }
    }

    /// Returns when a connection that is made now is too old to be used again.
    ///
    /// The age varies by 10 %, so that connections that were made together are not replaced together. `None` means never.
    pub(super) fn expiry(&self) -> Option<Instant> {
        let jitter = 0.9 + 0.2 * rand::random::<f64>();
        let age = Duration::try_from_secs_f64(self.max_age.as_secs_f64() * jitter).ok()?;
        Instant::now().checked_add(age)
    }

    /// Returns hyper's options for HTTP/1.1. The [module](super) has a table of them with the reasons.
    pub(super) fn http1(&self) -> hyper::client::conn::http1::Builder {
        let mut builder = hyper::client::conn::http1::Builder::new();
        builder
            // Copying a small head and body into one buffer is cheaper than a vectored write.
            .writev(false)
            .max_buf_size(self.limits.size.max(MIN_BUFFER))
            .max_header_size(self.limits.size)
            // A proxy must remove the space (RFC 9112, 5.1).
            .allow_spaces_after_header_name_in_responses(true);
        if self.limits.headers != HYPERS_MAX_HEADERS {
            builder.max_headers(self.limits.headers.min(MAP_CAPACITY));
        }
        builder
    }

    /// Returns hyper's options for HTTP/2.
    pub(super) fn http2<E: Clone>(&self, executor: E) -> hyper::client::conn::http2::Builder<E> {
        let list = self.limits.size.saturating_mul(H2_LIST_FACTOR);
        let mut builder = hyper::client::conn::http2::Builder::new(executor);
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            // 0 until the peer's SETTINGS say how many: a connection is used only after them.
            .initial_max_send_streams(0)
            .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX))
            // Each stream buffers one chunk beyond this, until the peer's window opens.
            .max_send_buf_size(STREAM_WINDOW as usize)
            .keep_alive_interval(self.ping_interval.min(NEVER))
            .keep_alive_timeout(self.ping_timeout.min(NEVER));
        builder
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("max_age", &self.max_age)
            .field("max_idle", &self.max_idle)
            .field("max_connections", &self.max_connections)
            .field("http2", &self.http2)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
