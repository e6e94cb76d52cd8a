//! A client for backends: HTTP/1.1 and HTTP/2, with a connection pool.
//!
//! [`Client`] is a service that sends requests to the scheme and authority of their URIs. It stands
//! below the layer, and it streams bodies both ways:
//!
//! ```
//! use axum::Router;
//! use hyper_util::rt::TokioExecutor;
//! use tower::Layer;
//! use tower_canary::probe::UrlPolicy;
//! use tower_canary::proxy::Proxy;
//! use tower_canary::upstream::Client;
//! use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
//!
//! # fn router() -> Result<Router, Box<dyn std::error::Error>> {
//! let layer = WeightedVersionLayer::new(&RoutingHandle::new(), Target::service("orders".parse()?));
//! let client = Client::new(UrlPolicy::new(), TokioExecutor::new());
//! let app = Router::new().nest_service("/orders", Proxy::new(layer.layer(client)));
//! # Ok(app)
//! # }
//! # assert!(router().is_ok());
//! ```
//!
//! It is built on [`hyper::client::conn`]. The pool is its own, because the pools of hyper-util know
//! no stream limits, no ages and no `Keep-Alive` hints, and do not give back a request that was not
//! sent.
//!
//! # Connections
//!
//! - **HTTP/1.1:** a request gets the idle connection that was used last, or a new one. The
//!   connection returns to the pool at the end of the response body.
//! - **HTTP/2:** a request gets a stream of a connection that has one free. When the connections have
//!   as many streams as the backend allows (`SETTINGS_MAX_CONCURRENT_STREAMS`, which may change),
//!   or 128, another connection is made.
//! - **Limits:** [idle time](Client::with_idle_timeout), [age](Client::with_max_age), [idle
//!   connections](Client::with_max_idle), [connections](Client::with_max_connections).
//! - **Threads:** clones share a pool. [`with_own_pool`](Client::with_own_pool) makes one for each
//!   thread, with common figures.
//! - **Tasks:** each connection is one future, which your executor runs. It ends when the last clone
//!   of the client is gone and no response body of the connection is left. Over HTTP/1.1 a request is sent and its
//!   response is read while the response future and the body are polled, by their task.
//! - **Cancellation:** a request whose future or body is dropped gives back its place. Its HTTP/1.1
//!   connection is closed, since the rest of the response is on its way; its HTTP/2 stream is reset.
//! - **Uploads:** when the response has ended, the backend has a minute for each part of the rest of the
//!   request. Then its HTTP/1.1 connection is closed.
//!
//! # Repeated requests
//!
//! | request | condition | times |
//! | --- | --- | --- |
//! | any | not a byte was sent, because the connection closed before | up to 3 |
//! | any | HTTP/2: `REFUSED_STREAM`, or `GOAWAY` beyond the last stream | up to 3 |
//! | safe method, no body | HTTP/1.1: the connection had served a request before, and closed without a byte of the response | once |
//! | safe method, no body | HTTP/2: the connection closed before the head of the response | once |
//!
//! A body that was sent in part is sent again from the start, if it had at most 64 KiB so far. Nothing
//! else is sent again: a `POST` whose response was lost may have been processed (RFC 9110, 9.2.2).
//! After the last attempt, [`Error::is_unprocessed`] says that the backend has not processed the
//! request.
//!
//! # Connections that serve one request
//!
//! - Connections that carry an identity: NTLM and Negotiate authenticate the connection instead of the
//!   request, so such a connection serves no other request.
//! - Connections whose response ended before the request body was sent. Some backends read the rest of
//!   the body as further requests.
//! - Connections of upgrades (101), which leave the pool.
//!
//! # TLS
//!
//! With the feature `client-tls`, `Client::with_tls` sets which certificates are trusted and shown. Without
//! it, and without TLS set, an `https` URL is refused when it is registered: see
//! [`UrlPolicy`](crate::probe::UrlPolicy::allow_https). The protocol is negotiated by ALPN.
//!
//! # Unix sockets
//!
//! Backends on Unix sockets are not supported. Such a URL has a path instead of a host, which neither `http::Uri` nor a
//! `Host` header can hold, so each part that handles URLs would need a second form: the admin API, the store, the layer's
//! rewriting and the clients of hosts. It would also let everyone who may register a version reach every socket of the
//! machine. Let the backend listen on a loopback address.
//!
//! # Settings of hyper
//!
//! | option | default of hyper | here | reason |
//! | --- | --- | --- | --- |
//! | HTTP/1.1 `writev` | by the stream | off | one buffer is cheaper for small messages |
//! | HTTP/2 writes | one for each frame of 256 bytes or more | gathered from all streams | one system call for many requests |
//! | `max_buf_size`, `max_header_size` | 400 KiB, 16 KiB for trailers | 64 KiB | [one limit](Client::with_max_head_size) for heads and trailers |
//! | `max_headers` | 100 | 100 | [a setting](Client::with_max_headers), for both protocols |
//! | `allow_spaces_after_header_name_in_responses` | off | on | a proxy must remove the space (RFC 9112, 5.1) |
//! | `allow_obsolete_multiline_headers_in_responses`, `ignore_invalid_headers_in_responses`, `http09_responses` | off | off | two readings of one response are a risk |
//! | `title_case_headers`, `preserve_header_case` | off | off | names are case-insensitive |
//! | HTTP/2 stream window | 2 MiB | 256 KiB | what a reader that stalls can occupy |
//! | connection window | 5 MiB | 32 MiB | 128 stalled streams leave room for others: they share no window |
//! | `adaptive_window` | off | off | it would make the windows equal |
//! | `initial_max_send_streams` | 100 | 0 | the first request waits for the backend's limit |
//! | `max_header_list_size` | 16 KiB | 1 MiB | h2 drops trailers beyond it silently. The limit of 64 KiB is checked here, and fails |
//! | `keep_alive_interval`, `_timeout` | off, 20 s | [10 s, 10 s](Client::with_ping) | a dead connection is noticed within 20 s |
//! | `keep_alive_while_idle` | off | off | idle connections close after 4 s |
//! | `max_send_buf_size` | 1 MiB | 256 KiB | per stream, while a backend does not read |
//! | `max_frame_size`, `header_table_size` | 16 KiB, 4 KiB | the same | larger frames delay other streams |
//! | `max_concurrent_reset_streams`, `reset_stream_duration` | 50, 1 s | the same | memory for streams that were reset |
//! | `max_pending_accept_reset_streams`, `max_local_error_reset_streams` | 20, 1,024 | the same | they end the connection of a backend that resets without end |

mod backend;
mod body;
mod client;
mod connect;
mod dial;
mod driver;
mod engine;
mod error;
mod figures;
mod future;
mod hints;
mod http1;
mod http2;
#[cfg(feature = "metrics")]
mod metrics;
mod payload;
mod pool;
mod queue;
mod replay;
mod saved_head;
mod send;
mod settings;
mod state;
mod task;
mod wire;

pub use self::body::Body;
pub use self::client::Client;
pub use self::connect::{ConnectError, ConnectErrorKind};
pub use self::error::Error;
pub use self::figures::BackendConnections;
pub use self::future::ResponseFuture;
pub use self::settings::Http2;
pub use self::task::Task;
#[cfg(feature = "client-tls")]
pub use crate::probe::ClientTls;
