//! A reverse proxy around a client service: what a gateway does besides choosing a version.
//!
//! [`Proxy`] is a service for a server, such as axum or hyper, around a service that sends
//! requests: most often a [`WeightedVersion`](crate::WeightedVersion) around the `Client` of `upstream`.
//! It streams bodies both ways without boxing them. It never fails: when there is no response from
//! a backend, it responds with a problem document.
//!
//! ```
//! # #[cfg(feature = "client")] {
//! use axum::Router;
//! use hyper_util::rt::TokioExecutor;
//! use tower::Layer;
//! use tower_canary::probe::UrlPolicy;
//! use tower_canary::proxy::Proxy;
//! use tower_canary::upstream::Client;
//! use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
//!
//! # fn router() -> Result<Router, Box<dyn std::error::Error>> {
//! # let handle = RoutingHandle::new();
//! // The type of the client's bodies is inferred from where the proxy is mounted.
//! let client = Client::new(UrlPolicy::new(), TokioExecutor::new());
//! let orders = WeightedVersionLayer::new(&handle, Target::service("orders".parse()?)).layer(client);
//! let app = Router::new().nest_service("/orders", Proxy::new(orders).with_upgrades(TokioExecutor::new()));
//! # Ok(app)
//! # }
//! # assert!(router().is_ok());
//! # }
//! ```
//!
//! In hyper, wrap the proxy in hyper-util's `TowerToHyperService`, and serve connections
//! `with_upgrades` if WebSockets are to pass; axum does both. The proxy needs tokio's timer.
//!
//! # Client
//!
//! The `Client` of the module `upstream` is made for this place; its docs have a table of hyper's options
//! and the reasons for their values. Any other service that sends requests works as well. hyper-util's
//! legacy client needs care: it keeps one HTTP/2 connection per backend, so calls beyond the stream limit
//! wait; it sends no PING; it lends connections that NTLM or Negotiate has authenticated to other users;
//! and it keeps idle connections for 90 seconds, which is longer than most servers (set
//! `pool_idle_timeout`).
//!
//! # Place in a stack
//!
//! Outermost first: server, trace, authentication, **proxy**, retry, layer, client.
//!
//! - **`TimeoutLayer` of your server:** give
//!   [`with_response_timeout`](Proxy::with_response_timeout) a shorter time. The proxy then
//!   responds 504 and counts an error of the version. If the outer timeout is the shorter one, it
//!   drops the request before the proxy can judge it: slow versions count as `abandoned`, like
//!   clients that hang up, and show no error.
//! - **Timeout of your client:** an error that a timeout caused is 504 too. Known are an
//!   [`io::Error`](std::io::Error) of kind `TimedOut`, hyper's timeouts, and the `Elapsed` of tower
//!   and tokio. For the errors of other clients use
//!   [`with_timeout_check`](Proxy::with_timeout_check).
//! - **Redirects:** the client must not follow them, because that would leave the chosen version.
//!
//! # reqwest
//!
//! reqwest works as the client by the crate `tower-reqwest`. [`RequestBody`] is [`Sync`], as
//! reqwest's bodies must be, and trailers pass both ways.
//!
//! ```
//! use axum::{Router, body::Body};
//! use http::Request;
//! use tower::{Layer, ServiceBuilder};
//! use tower_canary::proxy::{Proxy, RequestBody};
//! use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
//!
//! # fn router() -> Result<Router, Box<dyn std::error::Error>> {
//! # let handle = RoutingHandle::new();
//! let client = reqwest::Client::builder()
//!     .redirect(reqwest::redirect::Policy::none())
//!     .no_proxy()
//!     .connect_timeout(std::time::Duration::from_secs(2))
//!     .build()?;
//! let client = ServiceBuilder::new()
//!     .map_request(|request: Request<RequestBody<Body>>| request.map(reqwest::Body::wrap))
//!     .layer(tower_reqwest::HttpClientLayer)
//!     .service(client);
//! let orders = WeightedVersionLayer::new(&handle, Target::service("orders".parse()?)).layer(client);
//! let proxy = Proxy::new(orders).with_timeout_check(|error| {
//!     error.downcast_ref().is_some_and(reqwest::Error::is_timeout)
//! });
//! let app = Router::new().fallback_service(proxy);
//! # Ok(app)
//! # }
//! # assert!(router().is_ok());
//! ```
//!
//! With the check, a timeout of reqwest is 504 `gateway-timeout`. A refused connection is 502
//! `bad-gateway`. `examples/reqwest.rs` is a whole gateway of this kind. What differs from
//! the client of `upstream`:
//!
//! - reqwest parses the target as a URL, and so resolves `.` and `..` in paths. The client of
//!   `upstream` forwards the bytes of the path unchanged. Where the version has a base path, the layer
//!   refuses both.
//! - The features `gzip`, `brotli`, `zstd` and `deflate` of reqwest decode responses: switch them
//!   off by `no_gzip()` and so on.
//! - `timeout` includes the response body, which then breaks off. Prefer
//!   [`with_response_timeout`](Proxy::with_response_timeout) and `read_timeout`.
//!
//! # Behavior on the wire
//!
//! | subject | treatment |
//! | --- | --- |
//! | hop-by-hop headers | removed, in both directions |
//! | more than 100 [header fields](Proxy::with_max_headers) | 431 `too-many-headers` |
//! | ambiguous host | 400 `ambiguous-host` |
//! | names with `_` | removed from requests |
//! | transfer coding other than `chunked` | 501 in requests, 502 in responses |
//! | conflicting `Content-Length` | 400 in requests, 502 in responses |
//! | `Via` | [added](Proxy::without_via); NGINX then needs `gzip_proxied any` to compress |
//! | loop by `Via` | 508 `loop-detected` |
//! | `X-Forwarded-*`, `Forwarded`, `X-Real-IP` | replaced, or extended for trusted peers |
//! | `Location`, cookie paths | unchanged, or [mapped back](Proxy::with_redirect_rewriting) |
//! | several `Cookie` headers over HTTP/2 | joined (RFC 9113, 8.2.3) |
//! | trailers | passed in both directions |
//! | `HEAD`, 204, 304 | headers kept, no body, also in responses of the proxy |
//! | `POST`, `PUT`, `PATCH` without a body | `Content-Length: 0` (RFC 9110, 8.6), except gRPC |
//! | `GET`, `HEAD` with a body of unknown length | [chunked](Proxy::with_unreported_body_end) |
//! | `OPTIONS *`, `OPTIONS` with `Max-Forwards: 0` | 200 of the proxy |
//! | `Max-Forwards` of `OPTIONS` and `TRACE` | lowered by one |
//! | `TRACE` | 405 `method-not-allowed`, or [forwarded](Proxy::with_trace) |
//! | `Expect: 100-continue` | passed |
//! | 1xx responses except 101 | dropped |
//! | `CONNECT`, also extended (RFC 8441) | 501 `not-implemented` |
//!
//! In detail:
//!
//! - **Hop-by-hop headers** are `Connection` and the fields that it lists, `Keep-Alive`,
//!   `Proxy-Connection`, `Proxy-Authenticate`, `Proxy-Authorization`, `TE` (except `trailers`),
//!   `Transfer-Encoding` and `Upgrade`. `Trailer` passes, because clients send no trailers without
//!   it. `Connection` cannot remove fields that the proxy reads or writes, such as `Cookie` and the
//!   forwarding headers: a proxy in front may pass on the `Connection` of its client.
//! - **The host is ambiguous** if there are several `Host` headers, one that contradicts
//!   `:authority` or an absolute target, one with user information, or none (except over
//!   HTTP/1.0). Letter case and a default or empty port are no contradiction (RFC 9110, 4.2.3).
//!   Which `Host` the backend sees is up to the layer's
//!   [`HostPolicy`](crate::layer::HostPolicy).
//! - **Names with `_`** are removed because some backends read `_` as `-`. The layer does not see
//!   them either.
//! - **Lengths:** equal `Content-Length` fields are merged. hyper checks lengths and chunks against
//!   the body, and refuses what can be read in two ways. A 204 has no length, nor has a 304 over
//!   HTTP/1.1.
//! - **Forwarding headers:** the backend gets `X-Forwarded-For`, `X-Forwarded-Host` and
//!   `X-Forwarded-Proto`. From a [trusted](Proxy::with_trusted_proxies) peer the first is appended
//!   to and the other two are kept; from others all three are replaced. `Forwarded`,
//!   `X-Forwarded-Port` and `X-Real-IP` are kept from a trusted peer, and removed from others.
//! - **`X-Forwarded-Prefix`** is the part that was cut from the front of the path, so that a backend can
//!   write URLs for the client: by a trusted proxy, then by axum's `nest_service`, then by
//!   [`Target::path_segment`](crate::Target::path_segment). It is absent if nothing was cut.
//! - **Trailers** lose hop-by-hop fields and fields that are not allowed there (RFC 9110, 6.5.1).
//!   The layer does not look for keys and overrides in them.
//! - **`100 Continue`** is sent to the client as soon as a connection to the backend is ready for
//!   the body, whether or not the backend has agreed to it.
//! - **Early hints** and other 1xx responses are dropped because hyper's server cannot send them.
//! - **An early response**, before the end of the upload, reaches the client immediately. The rest
//!   of the upload is forwarded while the backend reads it, and is dropped when the backend closes
//!   the connection. The request is in flight until then.
//! - **A response that breaks off after its head**, as by a bad chunk, breaks off for the client
//!   too: its HTTP/1.1 connection closes, or its HTTP/2 stream is reset. 502 is not possible any
//!   more. The request counts as an error.
//! - **A request body over HTTP/2** must report its end: see
//!   [`with_unreported_body_end`](Proxy::with_unreported_body_end).
//! - **HTTP/2** is used with clients as the server supports it, and with backends as the client
//!   supports it. The client of `upstream` uses it for gRPC. [`GrpcOverHttp2`] takes a client for each
//!   protocol. A [`CoalescingStream`] below your server gathers its small writes.
//!
//! # Upgrades
//!
//! With [`with_upgrades`](Proxy::with_upgrades), an HTTP/1.1 request with `Connection: upgrade` and
//! no body asks the backend for the protocols that it lists. Versions of HTTP (`h2c`) are left out,
//! since requests in the tunnel would bypass every rule of the gateway. All other requests reach the
//! backend without `Upgrade`.
//!
//! - No byte passes before the backend has responded 101 with requested protocols alone. For a
//!   WebSocket it must also send the `Sec-WebSocket-Accept` that matches the key. Any other 101
//!   becomes 502; any other status is an ordinary response.
//! - Both sides have 5 seconds to complete the upgrade. Then bytes are copied until both have
//!   closed. There is no time limit unless you set [one](Proxy::with_tunnel_idle_timeout). Without,
//!   set TCP keepalive, or drop the [`Bridge`].
//! - The version counts the request as in flight for all of this time.
//!
//! # Stalled exchanges
//!
//! | idle side | until the response head | after it |
//! | --- | --- | --- |
//! | client, while it sends | 408 after the [response timeout](Proxy::with_response_timeout) | body fails after the same time, except gRPC |
//! | backend, while it reads | 504 after the response timeout | [idle time](Proxy::with_body_idle_timeout) of the bodies |
//! | backend, while it sends | 504 after the response timeout | idle time of the bodies |
//! | client, while it reads | | idle time of the bodies |
//! | both, in a tunnel | | [idle time](Proxy::with_tunnel_idle_timeout) of the tunnel |
//!
//! Both idle times are off by default. The one of the bodies ends the exchange with the backend, so
//! that the version is not in flight for ever. It does not close the connection of a client that
//! stops reading, which the proxy does not own: limit the time of a write in your server.
//!
//! # Client address
//!
//! The peer is the [`ClientAddress`](crate::layer::ClientAddress) in the request's extensions, which
//! the application can insert, else axum's `ConnectInfo<SocketAddr>`. If neither is present, no
//! `X-Forwarded-For` header is added and no peer is trusted.
//!
//! The proxy replaces the `ClientAddress` for the layer: by the peer's address or, if the peer is
//! trusted, by the first address in `X-Forwarded-For`, from the right, that is not a trusted
//! proxy's. Proxies that send `Forwarded` instead need
//! [`with_address_header`](Proxy::with_address_header): only one of the two is read, because a client
//! can forge the one that the proxy in front does not write.
//! [`Affinity::client_address`](crate::layer::Affinity::client_address) uses it.
//!
//! # Responses of the proxy
//!
//! They are problem documents (RFC 9457), without content for `HEAD`. gRPC clients get status 200
//! with a `grpc-status`. The cause is logged, escaped, and not sent: as at most one warning per second, and as debug events
//! otherwise.
//!
//! | cause | status | `type` | gRPC |
//! | --- | --- | --- | --- |
//! | ambiguous host | 400 | `ambiguous-host` | 3 |
//! | malformed or incomplete request body, malformed length | 400 | `malformed-body` | 3 |
//! | `TRACE` | 405 | `method-not-allowed` | 12 |
//! | [timeout](Proxy::with_response_timeout), waiting for the client | 408 | `request-timeout` | 4 |
//! | too many header fields | 431 | `too-many-headers` | 8 |
//! | `CONNECT`, unsupported transfer coding | 501 | `not-implemented` | 12 |
//! | failed client, invalid response | 502 | `bad-gateway` | 14 |
//! | [timeout](Proxy::with_response_timeout), waiting for the backend | 504 | `gateway-timeout` | 4 |
//! | [timeout](Proxy::with_timeout_check) of the client | 504 | `gateway-timeout` | 4 |
//! | loop | 508 | `loop-detected` | 13 |

mod activity;
mod body;
mod builder;
mod clean_body;
mod client_address;
mod failure_log;
mod fields;
mod forwarding;
mod framing;
mod future;
mod grpc;
mod hop_by_hop;
mod host;
mod local;
mod max_forwards;
mod maybe_watched;
mod peeked;
mod prefix;
mod problems;
mod progress;
mod redirects;
mod request;
mod response_body;
mod scan;
mod service;
mod settings;
mod timeouts;
mod tunnel;
mod upgrade;
mod via;
mod watch;

pub use self::body::RequestBody;
pub use self::client_address::AddressHeader;
pub use self::future::ProxyFuture;
pub use self::grpc::{GrpcOverHttp2, is_grpc};
pub use self::response_body::ProxyBody;
pub use self::service::Proxy;
pub use self::tunnel::Bridge;
pub use self::via::InvalidViaName;
pub use self::watch::BodyWatch;
pub use crate::common::coalescing::CoalescingStream;
