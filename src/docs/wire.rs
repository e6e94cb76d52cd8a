//! Connections: each option of hyper towards clients and towards backends, with its reason.
//!
//! hyper limits HTTP/1 by itself. For HTTP/2 it leaves most limits to its user, and its defaults suit one application
//! behind one connection, not a gateway that carries the requests of many services over one. These tables name each option:
//! the default of the library (hyper 1.12, hyper-util 0.1.21, h2 0.4), the value here, and what a slow or hostile peer
//! can do with it. `examples/gateway` has these values in `limits.rs`.
//!
//! # Flow control
//!
//! A body that its receiver does not take keeps its part of two windows: the window of its stream and the window of its connection. If
//! the connection window is smaller than the windows of all streams together, some stalled streams use it up, and then
//! nothing moves on the other streams. So one hanging version would stop the others for every client that shares a
//! connection. The rule for both sides:
//!
//! > connection window ≥ concurrent streams × stream window
//!
//! The connection window is also the memory that a peer can occupy. A larger stream window makes single uploads over long
//! distances faster: a stream moves at most one window per round trip.
//!
//! # Clients, HTTP/2
//!
//! | option | default | here | reason | what a peer can do |
//! | --- | --- | --- | --- | --- |
//! | `initial_stream_window_size` | 1 MiB | 64 KiB | what NGINX has; a TLS terminator or balancer in front is near | occupy 64 KiB per stalled upload |
//! | `initial_connection_window_size` | 1 MiB | 8 MiB | 128 streams × 64 KiB | occupy 8 MiB per connection. By default: stop the connection with one stalled upload |
//! | `adaptive_window` | off | off | it sets both windows to 64 KiB at first, and measures by PING | |
//! | `max_concurrent_streams` | 200 | 128 | what NGINX has | have 128 requests in flight; more wait at the client |
//! | `max_frame_size` | 16 KiB | default | the smallest value that the protocol allows; larger frames delay other streams | |
//! | `max_header_list_size` | 16 KiB | 256 KiB | see [sizes of heads](#sizes-of-heads) | |
//! | `header_table_size` | 4 KiB | default | it is the memory of the decoder, per connection | |
//! | `max_send_buf_size` | 400 KiB per stream | 64 KiB | as for HTTP/1. A larger one makes no stream faster | occupy 8 MiB per connection by reading nothing. By default: 50 MiB |
//! | `max_pending_accept_reset_streams` | 20 | 20 | rapid reset (CVE-2023-44487): streams that end before hyper has seen them. Beyond it, the connection ends | have requests begun and cancelled, one after the other: each also costs a connection to the backend |
//! | `max_local_error_reset_streams` | 1,024 | default | resets that the peer causes by malformed streams. Beyond it, the connection ends | |
//! | `keep_alive_interval` | off | 20 s | finds clients that vanished, also without a request | |
//! | `keep_alive_timeout` | 20 s | 20 s | with the interval: a dead connection ends within 40 s | |
//! | `timer` | none | tokio's | without one, hyper has no time limit at all | |
//! | `enable_connect_protocol` | off | off | the proxy refuses `CONNECT` | |
//! | `auto_date_header` | on | on | RFC 9110, 6.6.1; `Date` of the backend is kept | |
//!
//! h2 also ends a connection by itself after too many empty or tiny DATA frames, too many CONTINUATION frames, and frames
//! of streams that were never opened. It keeps 50 reset streams for a second, for frames that are still on the way.
//!
//! # Clients, HTTP/1.1
//!
//! | option | default | here | reason | what a peer can do |
//! | --- | --- | --- | --- | --- |
//! | `header_read_timeout` | 30 s with a timer | off | it also runs between two requests, so it would be the idle limit; see [time limits](#time-limits) | |
//! | `max_buf_size` | 408 KiB | 64 KiB | the largest head, and the buffer for a body in each direction | occupy 128 KiB per connection. By default: 800 KiB |
//! | `max_header_size` | `max_buf_size` | default | one limit | |
//! | `max_headers` | 100 | 100 | more fields cost an allocation per request | |
//! | `half_close` | off | off | see [half-closed connections](#half-closed-connections) | |
//! | `keep_alive` | on | on | | |
//! | `writev` | by the stream | off | copying a small head and body is cheaper than a vectored write | |
//! | `pipeline_flush` | off | off | experimental; hyper reads pipelined requests one by one | |
//! | `ignore_invalid_headers`, `allow_multiple_spaces_in_request_line_delimiters` | off | off | what two servers read differently is refused (request smuggling) | |
//! | `title_case_headers`, `preserve_header_case` | off | off | names have no case (RFC 9110, 5.1) | |
//! | `auto_date_header` | on | on | as for HTTP/2 | |
//!
//! Trailers of chunked bodies have a limit of 16 KiB in hyper. Larger ones fail the body.
//!
//! # Time limits
//!
//! hyper's only limit of time for HTTP/1 is one timer with two meanings, and for HTTP/2 it has PING alone. So the example
//! looks at the bytes and the requests of a connection itself (`activity.rs`). It takes the time once per request, when the
//! request ends; other times are taken only where a client lets the gateway wait.
//!
//! | limit | option | default | starts with | ends |
//! | --- | --- | --- | --- | --- |
//! | request head, HTTP/1.1 | | 10 s | its first byte | the connection |
//! | preface, HTTP/2 | | 10 s | its first byte | the connection |
//! | idle, HTTP/1.1 | `--idle-timeout` | 75 s | the end of the last request, or the connection | the connection |
//! | idle, HTTP/2 | `--http2-idle-timeout` | 60 s | the same, when no stream is open | with GOAWAY |
//! | a client takes no byte | `--body-idle-timeout` | 60 s | the last byte that it took | the connection |
//! | neither body moves | the same | 60 s | the last frame of either, after the response head | both bodies |
//! | a tunnel rests | `--tunnel-idle-timeout` | none | its last byte | the tunnel |
//! | header of the PROXY protocol | | 10 s | the connection | the connection |
//! | TLS handshake | | 10 s | the connection, or the end of that header | the connection |
//! | closing, no request in flight | | 5 s | the last request | the connection |
//! | lingering close | | 2 s, 64 MiB | the last byte of the response | the connection |
//!
//! - **The idle limit must be longer than the idle limit of the balancer in front.** Otherwise the gateway closes a connection at the
//!   moment in which the balancer reuses it, and a POST that is lost that way may not be repeated. AWS ALB and NGINX keep
//!   connections for 60 s, GCP for 600 s. HTTP/2 has no such race: GOAWAY says which requests were not processed.
//! - **A head over HTTP/2** has no limit of its own: it is a part of a connection with other streams. A client that stops
//!   within one is idle, or no longer acknowledges PING.
//! - **Request bodies** are limited by the [response timeout](crate::proxy::Proxy::with_response_timeout).
//! - **Stalled bodies**: [`with_body_idle_timeout`](crate::proxy::Proxy::with_body_idle_timeout) frees the version, also
//!   where a stream of HTTP/2 stalls alone. Events and gRPC streams that rest for longer need a longer limit.
//!
//! # Sizes of heads
//!
//! One limit holds for both protocols: 64 KiB and 100 fields (`--max-headers`), as HTTP/1.1 counts them. A larger head is
//! refused with 431. A backend gets some fields more than the client sent, so its own limit should be higher.
//!
//! h2 counts 32 bytes more for each field. It refuses a head above `max_header_list_size` alone, with 431, but it gives up
//! the whole connection for
//!
//! - a head of more than four times that size, unpacked,
//! - a head of more frames than 1.25 times that size has, plus two,
//! - one field of more than that size, behind a head that is too large already.
//!
//! With the default of 16 KiB and frames of 16 KiB, a head of 112 KiB ends the connection, with the requests of others on
//! it. So the limit of h2 is 256 KiB, and the example checks the limit of 64 KiB itself (`heads.rs`): heads of up to
//! 256 KiB fail alone, and what ends the connection is a head of 350 KiB on the wire, or of 1 MiB unpacked.
//!
//! **Trailers** above the limit of h2 lose fields without an error. Those between 64 KiB and 256 KiB fail the request body.
//!
//! # Half-closed connections
//!
//! A client may close its side after its request and still read (RFC 9112, 9.6). With `half_close(true)` hyper responds to
//! such clients, but then it cannot see that a client left before the response: the request goes on, and the version has it
//! in flight. Nearly all clients that close have left, and NGINX, Envoy and Go take it so as well. So it stays off: BusyBox
//! `wget` and `nc -N` get no response.
//!
//! # Lingering close
//!
//! If a request is refused before its body was read, the client is still sending. A connection that is closed with unread
//! bytes is reset by the system, and the reset can destroy the response on its way (RFC 9112, 9.6). So the example closes
//! its side, then reads and discards for at most 2 s. It does so only where bytes are unread: other connections close
//! at once.
//!
//! # PROXY protocol
//!
//! With `--proxy-protocol`, each connection from a [trusted proxy](crate::proxy::Proxy::with_trusted_proxies) must begin with
//! a header of version 1 or 2, and connections from elsewhere must not. The address in the header becomes the
//! [`ClientAddress`](crate::layer::ClientAddress). A header without an address (`UNKNOWN`, `LOCAL`) leaves the address out:
//! the address of the balancer is trusted, and its clients could forge `X-Forwarded-For`.
//!
//! # TLS
//!
//! With `--tls-cert` and `--tls-key` clients speak TLS 1.2 or 1.3, by rustls (`tls.rs`). [Operating](super::operating#tls) has
//! the files.
//!
//! | setting | default of rustls | here | reason |
//! | --- | --- | --- | --- |
//! | `alpn_protocols` | none | `h2`, `http/1.1` | the client chooses; one without ALPN speaks HTTP/1.1 |
//! | `ticketer` | none | tickets with keys that change every 6 hours | resumed sessions cost no signature, on any thread |
//! | `session_storage` | 256 sessions | default | TLS 1.2 clients without tickets |
//! | `max_early_data_size` | 0 | default | early data can be replayed |
//! | versions, cipher suites | 1.2 and 1.3; AES-GCM, ChaCha20 | default | |
//! | buffer of what a client does not take | 64 KiB | default | then the limit for a client that takes no byte runs |
//!
//! - Handshakes run beside the requests of other connections, and one that stands still occupies its own connection alone.
//! - The header of the PROXY protocol comes in front of TLS.
//! - A connection that has served a request ends with `close_notify`, so a client sees whether a response was cut off.
//!
//! # Other servers: what `axum::serve` lacks
//!
//! `axum::serve` sets none of these options, and has no way to set them. It gives hyper no timer, so *no* limit of time
//! holds: a client that sends half of a head keeps its connection for ever. The windows are 1 MiB each, there is no PING, and
//! a graceful shutdown waits without a limit. It is made for servers behind a proxy. In front of clients, serve the
//! same `Router` by hyper-util:
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use axum::{Extension, Router};
//! use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
//! use hyper_util::server::conn::auto::Builder;
//! use hyper_util::service::TowerToHyperService;
//! use tower_canary::layer::ClientAddress;
//!
//! # async fn serve(app: Router) -> std::io::Result<()> {
//! const KIB: u32 = 1024;
//! let mut server = Builder::new(TokioExecutor::new());
//! server
//!     .http1()
//!     .timer(TokioTimer::new())
//!     // Also the idle limit: longer than in the balancer in front.
//!     .header_read_timeout(Duration::from_secs(75))
//!     .max_buf_size(64 * KIB as usize);
//! server
//!     .http2()
//!     .timer(TokioTimer::new())
//!     .initial_stream_window_size(64 * KIB)
//!     .initial_connection_window_size(128 * 64 * KIB)
//!     .max_concurrent_streams(128)
//!     .max_header_list_size(256 * KIB)
//!     .max_send_buf_size(64 * KIB as usize)
//!     .keep_alive_interval(Duration::from_secs(20))
//!     .keep_alive_timeout(Duration::from_secs(20));
//! let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await?;
//! loop {
//!     let (stream, peer) = listener.accept().await?;
//!     stream.set_nodelay(true)?;
//!     let service = TowerToHyperService::new(app.clone().layer(Extension(ClientAddress(peer.ip()))));
//!     let server = server.clone();
//!     tokio::spawn(async move {
//!         // An error is one of the client: it left, or broke the protocol.
//!         let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
//!     });
//! }
//! # }
//! ```
//!
//! This has one timer for heads and for idle connections, and no limit for idle HTTP/2 connections, for clients that read
//! nothing, for the number of connections and for the drain. `examples/gateway` has all but the number of connections, to
//! copy: limit that by the open files of the process, or in front.
//!
//! # Backends, HTTP/2
//!
//! `upstream::Client`, the client of this crate, has these values. Set the same for another client.
//!
//! | option | default | here | reason | what a peer can do |
//! | --- | --- | --- | --- | --- |
//! | `initial_stream_window_size` | 2 MiB | 256 KiB | a backend is near | occupy 256 KiB per response that its client does not read |
//! | `initial_connection_window_size` | 5 MiB | 32 MiB | 128 streams × 256 KiB | by default: a few clients that read nothing stop the responses of all others |
//! | `adaptive_window` | off | off | as for clients | |
//! | `max_concurrent_streams`, `initial_max_send_streams` | none, 100 | 128 at most, 0 until the SETTINGS of the backend | beyond it, another connection | by default: calls beyond the limit of the backend wait for the response timeout |
//! | `max_frame_size` | 16 KiB | default | as for clients | |
//! | `max_header_list_size` | 16 KiB | 1 MiB | the limit for heads and trailers is 64 KiB, and the client checks it: h2 drops fields of larger trailers silently | lose its own response |
//! | `header_table_size` | 4 KiB | default | as for clients | |
//! | `max_send_buf_size` | 1 MiB per stream | 256 KiB | | occupy it by reading nothing |
//! | `keep_alive_interval`, `keep_alive_timeout` | off, 20 s | 10 s, 10 s | a backend that fell silent is left after 20 s | by default: calls go to a dead connection for as long as there are calls |
//! | `keep_alive_while_idle` | off | off | idle connections end after 4 s | |
//! | `max_concurrent_reset_streams`, reset duration | 50, 1 s | default | frames that are on the way when a client cancels | |
//! | `max_pending_accept_reset_streams` | 20 | default | for pushed streams; push is off | |
//! | `max_local_error_reset_streams` | 1,024 | default | malformed responses. Beyond it, the connection ends | lose its own connection |
//!
//! # Backends, HTTP/1.1
//!
//! | option | default | here | reason | what a peer can do |
//! | --- | --- | --- | --- | --- |
//! | `max_buf_size`, `max_header_size` | 408 KiB | 64 KiB | the largest response head | |
//! | `max_headers` | 100 | 100 | as for clients | lose its own response (502) |
//! | `allow_spaces_after_header_name_in_responses` | off | on | a proxy removes the space (RFC 9112, 5.1) | |
//! | `allow_obsolete_multiline_headers_in_responses`, `ignore_invalid_headers_in_responses` | off | off | 502 is safer than a guess | |
//! | `http09_responses` | off | off | a response has a head | |
//! | `title_case_headers`, `preserve_header_case` | off | off | as for clients | |
//! | `writev`, `read_buf_exact_size` | by the stream, none | off, default | as for clients | |
//!
//! # Backends, the pool
//!
//! | setting | hyper-util's legacy client | here | reason |
//! | --- | --- | --- | --- |
//! | idle time | 90 s | 4 s, and the hint of `Keep-Alive` | common servers close after 5 s, some after 2 s |
//! | greatest age | none | 5 min ± 10 % | a changed DNS record is seen under constant traffic |
//! | idle connections of a backend | no limit | 1,024 | |
//! | connections of a backend | no limit | no limit | set one that the backend can bear |
//! | HTTP/2 connections of a backend | one | as many as the streams need | |
//! | sent again | requests that were not written (`retry_canceled_requests`) | the same; requests that were not processed according to HTTP/2; once, a safe request on a reused connection that closed | a POST is never sent twice |
//! | connect limit | none | 3 s, with name resolution, TLS and handshake | |
