//! The Tower middleware: chooses a version for each request and rewrites the request to it.
//!
//! [`WeightedVersionLayer`] wraps any HTTP client service: hyper-util's `Client`, reqwest through `tower-reqwest`, a
//! `service_fn`. For each request it
//!
//! 1. finds the service the request is for ([`Target`]),
//! 2. chooses a version by weight, from the route published last ([`RoutingHandle`]): the one that a tester asks for
//!    ([`Override`]), else the one that its user is kept with, by a cookie (`PinCookie`) or by a key ([`Affinity`]), else the
//!    next of the draw,
//! 3. points the URI at the version's base URL, path and query bytes untouched, and sets `Host` ([`HostPolicy`]);
//!    the HTTP version becomes 1.1, which a client for HTTP/2 raises again,
//! 4. calls the client, and counts the request as in flight until the response's *body* has ended.
//!
//! It adds no allocation, but one for a path that is joined to a base path or loses a segment, one for a host with
//! capitals or a `Host` made from the URI, those of [`with_choice`](WeightedVersionLayer::with_choice), and what pins,
//! overrides that are used, and addresses as keys need. Errors are the
//! client's own, untouched. What the layer answers by itself is a response with a problem document (RFC 9457); for gRPC,
//! status 200 with `grpc-status` 14 (unavailable) for the first two rows and 3 (invalid argument) for the others:
//!
//! | when | status | `type` |
//! | --- | --- | --- |
//! | no service of that name, or the request names none | 404 | `unknown-service` |
//! | the service has no active version | 503 | `no-active-version` |
//! | the path does not fit behind the version's base path | 414 | `uri-too-long` |
//! | several `Host` headers, under [`HostPolicy::Preserve`] | 400 | `ambiguous-host` |
//!
//! With a [fallback](WeightedVersionLayer::with_fallback) the first two go there instead.
//!
//! # Place in a stack
//!
//! Outermost first: trace, authentication, retry, **this layer**, a time limit per attempt, the client. A retry
//! outside draws again for each attempt, unless it is that of `failover`, which sends what could not be connected to
//! elsewhere. Do not let a client follow redirects below the layer: it would leave the version that was chosen.
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
//! // A client that answers with the host it was sent to.
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

mod affinity;
mod annotations;
mod body;
mod choice;
mod cookies;
#[cfg(feature = "failover")]
pub mod failover;
mod future;
mod head;
#[expect(
    clippy::module_inception,
    reason = "the parts of a middleware are named layer, service, future and body"
)]
mod layer;
mod overriding;
#[cfg(feature = "pin")]
mod pin;
mod rejection;
mod rewrite;
mod rules;
mod service;
mod settings;
mod source;
mod target;
mod tried;

pub use self::affinity::{Affinity, ClientAddress};
pub use self::body::ResponseBody;
pub use self::choice::VersionChoice;
pub use self::future::{ResponseFuture, Tunnel};
pub use self::head::RequestHead;
pub use self::layer::WeightedVersionLayer;
pub use self::overriding::Override;
#[cfg(feature = "proxy")]
pub(crate) use self::overriding::REFUSED as OVERRIDE_REFUSED;
#[cfg(feature = "pin")]
pub use self::pin::{InvalidPinPrefix, InvalidPinSecret, PinCookie};
pub use self::rewrite::HostPolicy;
pub use self::service::WeightedVersion;
pub use self::target::Target;
