//! A reverse proxy around a client service: what a gateway does beside choosing a version.
//!
//! [`Proxy`] is a service for servers, of axum or hyper, around one that sends requests: a
//! [`WeightedVersion`](crate::WeightedVersion) around hyper-util's `Client`, most often. It streams bodies both ways,
//! boxes neither, and never fails: what no backend answers, it answers.
//!
//! ```
//! use axum::Router;
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! use hyper_util::rt::TokioExecutor;
//! use tower::Layer;
//! use tower_canary::proxy::Proxy;
//! use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
//!
//! # fn router() -> Result<Router, Box<dyn std::error::Error>> {
//! # let handle = RoutingHandle::new();
//! // The type of its bodies is found out from where the proxy is mounted.
//! let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
//! let orders = WeightedVersionLayer::new(&handle, Target::service("orders".parse()?)).layer(client);
//! let app = Router::new().nest_service("/orders", Proxy::new(orders).with_upgrades(TokioExecutor::new()));
//! # Ok(app)
//! # }
//! # assert!(router().is_ok());
//! ```
//!
//! For hyper, wrap it in hyper-util's `TowerToHyperService`. Where WebSockets are to pass, serve connections
//! `with_upgrades`; axum does. It needs tokio's timer.
//!
//! # What holds on the wire
//!
//! | of | |
//! | --- | --- |
//! | hop-by-hop headers | `Connection` and all that it names, `Keep-Alive`, `Proxy-Connection`, `Proxy-Authenticate`, `Proxy-Authorization`, `TE` (but `trailers`), `Transfer-Encoding` and `Upgrade` end here, of requests and of answers. `Trailer` passes, since without it no trailers do |
//! | the host | several `Host` headers, one that contradicts `:authority` or an absolute target, one with user information, or none (but by HTTP/1.0): 400 `ambiguous-host`. What the backend sees as `Host` is up to the layer |
//! | headers with `_` | are taken out, of the layer's sight as well: some backends read `_` as `-` |
//! | framing | a transfer coding other than `chunked`: in a request 501, in an answer 502. Lengths and chunks are hyper's, which refuses what can be read in two ways |
//! | `Via` | is added to requests; one that has been here before: 508 `loop-detected` |
//! | `X-Forwarded-For`, `-Host`, `-Proto` | say who asked, for which host, by which protocol. From a [trusted](Proxy::with_trusted_proxies) peer the first is appended to and the others are kept, from others they are overwritten |
//! | `Forwarded`, `X-Forwarded-Port`, `-Prefix`, `X-Real-IP` | are kept from a trusted peer, taken out from others |
//! | cookies by HTTP/2 | are joined to one header (RFC 9113, 8.2.3) |
//! | `Content-Length` | equal ones are made one. Others, and what is no number: 400, of an answer 502. None with 204 |
//! | trailers | pass both ways, without what ends here as a header and what has no meaning there (RFC 9110, 6.5.1). The layer does not look for keys and overrides in them |
//! | `HEAD`, 204, 304 | keep their headers and have no body (a 304 by HTTP/1.1 has no length) |
//! | `Expect: 100-continue` | passes. The client is told to go on as soon as a connection to the backend is ready for its body, whether or not the backend agreed to it |
//! | 103 and other 1xx answers | end here: hyper's server cannot send them |
//! | an answer before the end of the upload | reaches the client at once; the rest of the upload goes on being read as long as the backend reads it |
//! | `CONNECT`, by HTTP/2 with a `:protocol` too (RFC 8441) | 501 `not-implemented` |
//! | HTTP/2 | of clients as the server has it, to backends as the client has it: [`GrpcOverHttp2`] takes one for each |
//!
//! # Upgrades
//!
//! With [`with_upgrades`](Proxy::with_upgrades), a request by HTTP/1.1 with `Connection: upgrade` and no body asks the
//! backend for the protocols that it names, except versions of HTTP (`h2c`), which would pass by every rule of the
//! gateway. Without, or by other requests, the backend is asked for nothing. No byte passes before the backend has
//! answered 101 with a protocol that it was asked for and, to a WebSocket, the `Sec-WebSocket-Accept` that the key
//! demands; a 101 of any other kind is answered 502. Any other answer is an ordinary one. Both sides have 5 seconds to
//! complete the upgrade, then bytes are copied until both have ended, with no limit of time: set TCP keepalive, or end
//! the future. The version is in flight for as long.
//!
//! # Who is asking
//!
//! The peer is the [`ClientAddress`](crate::layer::ClientAddress) in the request's extensions, which a host may put there,
//! else axum's `ConnectInfo<SocketAddr>`. Of neither, nothing is said and nobody is trusted. The layer beneath finds a
//! `ClientAddress` in its place: the peer's, or from the right the first in `X-Forwarded-For` that is not of a trusted
//! proxy.
//!
//! # What it answers by itself
//!
//! Problem documents (RFC 9457); for gRPC, status 200 with a `grpc-status`. Causes are logged, escaped: as
//! warnings once a second at most, the rest for those who debug.
//!
//! | when | status | `type` | gRPC |
//! | --- | --- | --- | --- |
//! | the host is not clear | 400 | `ambiguous-host` | 3 |
//! | the body broke off, or is not framed as its head says | 400 | `malformed-body` | 3 |
//! | the client owed the rest of the body for longer than the [limit](Proxy::with_response_timeout) | 408 | `request-timeout` | 4 |
//! | `CONNECT`, a foreign transfer coding | 501 | `not-implemented` | 12 |
//! | the request came back | 508 | `loop-detected` | 13 |
//! | the client fails, or the backend's answer is none | 502 | `bad-gateway` | 14 |
//! | no answer within the [limit](Proxy::with_response_timeout), or an error of the client that a time limit caused: an `io::Error` of that kind, hyper's, or the `Elapsed` of tower or tokio | 504 | `gateway-timeout` | 4 |

mod body;
mod failure_log;
mod fields;
mod forwarding;
mod framing;
mod future;
mod grpc;
mod hop_by_hop;
mod host;
mod problems;
mod progress;
mod request;
mod scan;
mod service;
mod settings;
mod timeouts;
mod upgrade;
mod via;

pub use self::body::RequestBody;
pub use self::future::ResponseFuture;
pub use self::grpc::{GrpcOverHttp2, is_grpc};
pub use self::service::Proxy;
pub use self::upgrade::Bridge;
pub use self::via::InvalidViaName;
