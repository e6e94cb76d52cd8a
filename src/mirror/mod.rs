//! Copies of requests to a version, before it has users.
//!
//! A [`WeightedVersionLayer`](crate::WeightedVersionLayer) with a [`Mirror`] sends copies of a share of the requests to one
//! version of their service, and drops the responses. So a version shows its errors and its latency under real requests
//! while no user depends on it. Which version gets copies, and of how many requests, is part of the split:
//! [`Change::SetMirror`](crate::routing::Change::SetMirror), in the admin API `PUT …/services/{service}/mirror`. Without one,
//! a request pays for the comparison of a pointer.
//!
//! ```
//! use http::{Request, Response};
//! use http_body_util::{Empty, Full};
//! use hyper_util::rt::TokioExecutor;
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_canary::mirror::{Mirror, MirrorBody, prepare};
//! # use tower_canary::routing::{Change, Reason, Route, Split};
//! # use tower_canary::{Draw, RoutingHandle, Target, WeightedVersionLayer};
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! # let at = std::time::SystemTime::now();
//! # let handle = RoutingHandle::with_draw(Draw::Seeded(1));
//! # let split = Split::new("auth".parse()?, 7)
//! #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
//! #     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?
//! #     .apply(&Change::set_mirror("v1.1".parse()?, "10".parse()?), at)?;
//! # assert!(handle.publish(Route::compile(split)));
//! type Body = MirrorBody<Empty<bytes::Bytes>>;
//!
//! // A client that responds with the host that the request was sent to.
//! let client = service_fn(|request: Request<Body>| async move {
//!     let host = request.uri().host().unwrap_or_default().to_owned();
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::new(bytes::Bytes::from(host))))
//! });
//! let layer = WeightedVersionLayer::new(&handle, Target::service("auth".parse()?))
//!     .with_mirror(Mirror::new(TokioExecutor::new()));
//! let gateway = layer.layer(client);
//! for _ in 0..100 {
//!     let request = prepare(Request::get("/login").body(Empty::new())?);
//!     let response = gateway.clone().oneshot(request).await?;
//!     assert!(response.status().is_success()); // from v1.0
//! }
//! assert_eq!(handle.picks("auth", "v1.1", Reason::Mirror), Some(10));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It consists of three parts:
//!
//! - [`with_mirror`](crate::WeightedVersionLayer::with_mirror) on the layer. The client of the layer is cloned for each copy.
//! - [`prepare`] outside of the layer gives requests a body that can be copied. With `failover`, apply its `prepare` after
//!   this one.
//! - An executor of the application, which runs the copies.
//!
//! # Which requests are copied
//!
//! The share is exact: it has a draw of its own, like the weights. It counts the requests that can be copied. These are never
//! copied, and are not among them:
//!
//! | request | why |
//! | --- | --- |
//! | a method other than `GET` and `HEAD`, or those of [`with_methods`](Mirror::with_methods) | its effect would happen twice |
//! | `CONNECT`, and a request with `Upgrade` | a tunnel has no end to compare |
//! | with `X-Canary-Mirror` | it is a copy of a gateway in front. So a client can keep its requests from being copied |
//! | with `Trailer` | the copy would lack them |
//! | that the version gets anyway | it is no other version to compare with |
//! | by an [`Override`](crate::layer::Override) | it is a tester's |
//! | an attempt after a failover | the first attempt was copied |
//! | whose version had no usable instance, so that it went to [another one](crate::health::Health::failover) | it is no sample of the requests of that one |
//!
//! # The copy
//!
//! The copy is what the version would get if it were chosen: the same method, path, query, headers and body, `Host` by the
//! [`HostPolicy`](crate::layer::HostPolicy), and `X-Canary-Mirror: 1`. Give the version credentials and data with which it
//! may be called twice. The header is for logs and counts and proves nothing: clients can send it.
//!
//! A copy with a body is sent once the body has been read to its end. So the version never sees a part of one, and an upload
//! that its client gives up is no failure of the version.
//!
//! # Limits
//!
//! The request itself never waits for its copy. There are at most [64](Mirror::with_max_in_flight) copies at a time, with
//! bodies of at most [64 KiB](Mirror::with_max_body) and [60 seconds](Mirror::with_timeout) each. So they take at most about 4
//! MiB beside what the client takes. What exceeds a limit is not copied, and [counted](crate::traffic::Unsent).
//!
//! # Counts
//!
//! A copy is in flight at its version, which therefore is not drained. It counts as
//! [`Reason::Mirror`](crate::routing::Reason::Mirror) in [`picks`](crate::traffic::Activity::picks) and in
//! [`VersionTraffic::copies`](crate::traffic::VersionTraffic::copies), and nowhere else: not in requests, shares or outcomes,
//! nor in the failures in a row of its instance.

mod body;
mod copy;
mod eligible;
mod middleware;
#[cfg(feature = "failover")]
mod replayable;
mod settings;
mod tee;

pub use self::body::{MirrorBody, MirroredBody, prepare};
pub use self::copy::RequestCopy;
pub use self::settings::Mirror;
pub use self::tee::Tee;
