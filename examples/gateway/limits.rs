//! Limits for client connections. The docs page `docs::wire` of the library has the reason for each of them.

use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;

/// Maximum time from the first byte of a request head to its last one, and for a header of the PROXY protocol.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum time of a TLS handshake.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum size of a request head, and of the buffered part of a body. Larger buffers do not make streams faster.
pub(crate) const MAX_BUFFER: usize = 64 * 1024;

/// Number of header fields that hyper's parser for HTTP/1 keeps on the stack. Another number costs an allocation for each
/// request.
const MAX_HEADERS: u16 = 100;

/// Maximum number of concurrent requests of an HTTP/2 connection.
const MAX_STREAMS: u32 = 128;

/// Bytes of a request body that an HTTP/2 client may send before the backend takes them.
const STREAM_WINDOW: u32 = 64 * 1024;

/// The same for all streams of a connection together: any number of stalled streams leaves the others their windows.
const CONNECTION_WINDOW: u32 = MAX_STREAMS * STREAM_WINDOW;

/// The size of a head, as HTTP/2 counts it, up to which h2 delivers it. The limit is [`MAX_BUFFER`], as for HTTP/1, and
/// `heads` checks it. A head above this size still fails alone, with 431 by h2. What fails the whole connection is a head of
/// more than four times this size, or one that is longer on the wire than about 1.3 times this size: with this value, 1 MiB
/// and 350 KiB.
const MAX_HEADER_LIST: u32 = 256 * 1024;

/// Interval of PING to HTTP/2 clients, and the maximum time for the acknowledgement.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Maximum number of streams that a client may reset before hyper has accepted them.
const MAX_PENDING_RESETS: usize = 20;

/// Limits for client connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientLimits {
    /// Maximum time without a request on an HTTP/1 connection.
    pub(crate) idle: Duration,
    /// Maximum time without a request on an HTTP/2 connection.
    pub(crate) http2_idle: Duration,
    /// Maximum time in which a client takes no byte of what it is sent.
    pub(crate) body_idle: Duration,
    /// Maximum number of header fields of a request.
    pub(crate) max_headers: u16,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(75),
            http2_idle: Duration::from_secs(60),
            body_idle: Duration::from_secs(60),
            max_headers: MAX_HEADERS,
        }
    }
}

impl ClientLimits {
    /// Returns the shortest limit that can start without a sign.
    pub(crate) fn shortest(&self) -> Duration {
        self.idle.min(self.http2_idle).min(self.body_idle)
    }

    /// Returns the settings of hyper for a connection with these limits.
    pub(crate) fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        let mut http1 = builder.http1();
        // hyper's limit for heads also runs between requests, so `Activity` has the limits for time.
        http1.header_read_timeout(None).writev(false).max_buf_size(MAX_BUFFER);
        if self.max_headers != MAX_HEADERS {
            http1.max_headers(self.max_headers.into());
        }
        builder
            .http2()
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(MAX_STREAMS)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_header_list_size(MAX_HEADER_LIST)
            .max_send_buf_size(MAX_BUFFER)
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        builder
    }
}
