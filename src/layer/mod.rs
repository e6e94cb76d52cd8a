//! The Tower middleware: chooses a version for each request and rewrites the request to it.
//!
//! [`WeightedVersionLayer`] wraps any HTTP client service that follows the URI of a request: the `Client` of `upstream`, reqwest
//! through `tower-reqwest`, a `service_fn`. For each request it
//!
//! 1. finds the service that the request is for ([`Target`]),
//! 2. chooses a version from the route published last ([`RoutingHandle`]): the one that a trusted request asks for
//!    ([`Override`]), else the one that the user is pinned to (`PinCookie`), else the one of the user's key ([`Affinity`]),
//!    else the next one that is drawn by weight,
//! 3. chooses an instance of the version: the one of two that has fewer requests in flight and fewer failures in a row, among
//!    those that are usable by their [health](crate::health),
//! 4. sets the URI's scheme and authority to the version's base URL and the `Host` header by [`HostPolicy`]. Path and query
//!    keep their bytes. The HTTP version becomes 1.1, which an HTTP/2 client raises again,
//! 5. calls the client, and counts the request as in flight until the response *body* has ended.
//!
//! Errors are those that the client returns. Some responses are the layer's own, with a problem document (RFC 9457). A gRPC
//! request gets status 200 with `grpc-status` 14 (unavailable) for the first three rows and 3 (invalid argument) for the
//! others:
//!
//! | when | status | `type` |
//! | --- | --- | --- |
//! | no service of that name is published, or the request names none | 404 | `unknown-service` |
//! | the service has no active version | 503 | `no-active-version` |
//! | no instance of the version is usable, under [`Health::refusing`](crate::health::Health::refusing). `Retry-After` is 5 | 503 | `no-instance` |
//! | the path is too long behind the version's base path | 414 | `uri-too-long` |
//! | a dot segment in the path, and the version has a base path | 400 | `dot-segment` |
//! | several `Host` headers, under [`HostPolicy::Preserve`] | 400 | `ambiguous-host` |
//!
//! With a [fallback](WeightedVersionLayer::with_fallback) the first two go there instead.
//!
//! # Base paths
//!
//! A base path can be a boundary: `http://10.0.0.1/a` and `http://10.0.0.1/b` may belong to two tenants. A path with a
//! `.` or `..` segment is refused where the version, or the fallback, has one, since the backend would resolve
//! `/a/../b/x` to `/b/x`. That holds for every spelling that some server decodes to such a segment: `%2e`, `%2F`, `\` and
//! `%5c` as separators, parameters (`..;x`), and encoding of encoding (`%252e`). Other paths, such as `/a..b` and `/...`,
//! and all queries pass byte for byte. Without a base path, dot segments pass as well.
//!
//! # gRPC
//!
//! A gRPC response that ends without a `grpc-status` gets one, so that clients do not take it for complete: 13 (internal)
//! where the body ends without trailers, as a backend does that was stopped, and 2 (unknown) where the last headers have
//! no status, as when trailers were too large for the client. Responses of gRPC-Web are not touched.
//!
//! # Allocations
//!
//! The layer allocates nothing for a request, with these exceptions:
//!
//! - one for a path that is joined to a base path or loses a segment, and another if it is percent-encoded and joined to
//!   a base path,
//! - one for a host with capital letters, or for a `Host` header that is made from the URI,
//! - three or more for [`with_choice`](WeightedVersionLayer::with_choice),
//! - a few for pins, for overrides that are used, and for client addresses as keys.
//!
//! # Place in a stack
//!
//! Outermost first: trace, authentication, retry, **this layer**, a time limit per attempt, the client.
//!
//! - A retry outside of the layer draws again for each attempt. `failover` is a retry policy that tries another instance, or
//!   another version, if one cannot be connected to.
//! - Below the layer, do not let the client follow redirects: it would leave the version that was chosen.
//! - A time limit outside of the layer, such as tower-http's `TimeoutLayer`, hides a slow version: its requests count as
//!   [`Abandoned`](crate::traffic::Outcome::Abandoned), not as errors. Put a shorter one below the layer.
//!
//! # Copies of requests
//!
//! A layer with a `Mirror` sends copies of a share of the requests to another version, and drops their responses: see the
//! module `mirror`. The type of such a layer names the mirror, so a layer without one pays nothing for it.
//!
//! # Clients that ignore the URI
//!
//! A client that replaces the scheme and authority of every request sends all of them to one version, while the figures
//! show the weights. **tonic's `Channel` is such a client**, since it sets the origin that it was built for. Give the
//! generated code a layered HTTP/2 client instead:
//!
//! ```
//! # #[cfg(feature = "client")] {
//! use hyper_util::rt::TokioExecutor;
//! use tonic_health::pb::health_client::HealthClient;
//! use tower::Layer;
//! use tower_canary::probe::UrlPolicy;
//! use tower_canary::upstream::Client;
//! use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
//!
//! # let handle = RoutingHandle::new();
//! let client = Client::new(UrlPolicy::new(), TokioExecutor::new());
//! let layered = WeightedVersionLayer::new(&handle, Target::service("greeter".parse()?)).layer(client);
//! let health = HealthClient::new(layered);
//! # }
//! # Ok::<(), tower_canary::routing::InvalidName>(())
//! ```
//!
//! `examples/grpc.rs` is a whole program. Where the type of the client shows a `Channel`, the layer logs an error. For
//! clients that only accept a base URL, such as a generated SDK, use [`RoutingHandle::choose`].
//!
//! # Example
//!
//! ```
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_canary::routing::{Change, Route, Split};
//! use tower_canary::{Draw, RoutingHandle, Target, WeightedVersionLayer};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let at = std::time::SystemTime::now();
//! let split = Split::new("auth".parse()?, 7)
//!     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?), at)?
//!     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2:8080".parse()?), at)?
//!     .apply(&Change::set_weight("v1.1".parse()?, "10".parse()?), at)?;
//! let handle = RoutingHandle::with_draw(Draw::Seeded(1));
//! assert!(handle.publish(Route::compile(split)));
//!
//! // A client that responds with the host that the request was sent to.
//! let client = service_fn(|request: Request<String>| async move {
//!     let host = request.uri().host().unwrap_or_default().to_owned();
//!     Ok::<_, std::convert::Infallible>(Response::new(host))
//! });
//! let layered = WeightedVersionLayer::new(&handle, Target::service("auth".parse()?)).layer(client);
//! let mut canary = 0;
//! for _ in 0..100 {
//!     let request = Request::get("/login").body(String::new())?;
//!     let response = layered.clone().oneshot(request).await?;
//!     canary += usize::from(response.into_body().into_inner().as_deref() == Some("10.0.0.2"));
//! }
//! assert_eq!(canary, 10);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`RoutingHandle`]: crate::RoutingHandle
//! [`RoutingHandle::choose`]: crate::RoutingHandle::choose

mod affinity;
mod annotations;
mod body;
mod choice;
mod cookies;
#[cfg(feature = "mirror")]
mod copied_head;
#[cfg(feature = "failover")]
pub mod failover;
mod forward_context;
mod future;
mod grpc_status;
mod head;
#[expect(
    clippy::module_inception,
    reason = "the parts of a middleware are named layer, service, future and body"
)]
mod layer;
mod overriding;
#[cfg(feature = "pin")]
mod pin;
#[cfg(feature = "pin")]
mod pin_value;
mod rejection;
mod rewrite;
mod rewritten;
mod rules;
mod service;
mod settings;
#[cfg(feature = "pin")]
mod shared_cache;
mod source;
mod target;
mod tried_instances;
mod uri_check;

pub use self::affinity::{Affinity, ClientAddress};
pub use self::body::ResponseBody;
pub use self::choice::VersionChoice;
#[cfg(feature = "mirror")]
pub(crate) use self::forward_context::ForwardContext;
pub use self::future::{ResponseFuture, Tunnel};
pub use self::head::RequestHead;
pub use self::layer::WeightedVersionLayer;
pub use self::overriding::Override;
#[cfg(feature = "proxy")]
pub(crate) use self::overriding::REFUSED as OVERRIDE_REFUSED;
#[cfg(feature = "pin")]
pub use self::pin::{InvalidPinPrefix, InvalidPinSecret, PinCaching, PinCookie};
pub use self::rewrite::HostPolicy;
pub use self::rewritten::{ForwardPrefix, ReportRewrite, Rewritten};
pub use self::service::WeightedVersion;
pub use self::target::Target;
