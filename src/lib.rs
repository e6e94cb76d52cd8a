//! Zero-downtime deployment for axum and hyper gateways: weighted canary and blue-green deployments as a
//! Tower layer.
//!
//! A [`WeightedVersionLayer`] wraps an HTTP client service. For each request it chooses a version of the
//! backend by weight and points the request at it. The weights are in a SQL database, and requests read them
//! from memory without a lock. [`Deployments`] changes them, follows the changes of other gateways, and
//! probes a version before it gets traffic.
//!
//! ```
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_canary::routing::Change;
//! use tower_canary::store::ChangeRequest;
//! use tower_canary::{Deployments, Draw, ServiceName, Target, WeightedVersionLayer};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! // A store in memory and a seeded draw: every run of this example makes the same choices.
//! let deployments = Deployments::in_memory(Draw::Seeded(1));
//! let auth: ServiceName = "auth".parse()?;
//! for change in [
//!     Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?),
//!     Change::register("v1.1".parse()?, "http://10.0.0.2:8080".parse()?),
//!     Change::set_weight("v1.1".parse()?, "10".parse()?),
//! ] {
//!     deployments.apply(&auth, ChangeRequest::new(change, "alice")).await?;
//! }
//!
//! // A client that responds with the host it was sent to.
//! let client = service_fn(|request: Request<String>| async move {
//!     let host = request.uri().host().unwrap_or_default().to_owned();
//!     Ok::<_, std::convert::Infallible>(Response::new(host))
//! });
//! let client = WeightedVersionLayer::new(deployments.handle(), Target::service(auth)).layer(client);
//!
//! let mut canary = 0;
//! for _ in 0..100 {
//!     let response = client.clone().oneshot(Request::get("/login").body(String::new())?).await?;
//!     canary += usize::from(response.into_body().into_inner().as_deref() == Some("10.0.0.2"));
//! }
//! assert_eq!(canary, 10);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! | module | for |
//! | --- | --- |
//! | [`layer`] | the middleware: how a request finds its service and its version, affinity, pins, overrides, failover |
//! | [`proxy`] | a reverse proxy around the layer, for axum and hyper servers |
//! | [`mirror`] | copies of requests to a version that has no users yet |
//! | [`upstream`] | a client for backends: HTTP/1.1 and HTTP/2 with a connection pool |
//! | [`deployments`] | changes, the refresh from the store, replicas, snapshot caches |
//! | [`store`] | the SQL store, the store in memory, and the traits for a store of your own |
//! | [`admin`] | the admin API: an axum router with authentication and an OpenAPI document |
//! | [`api`] | the wire types of the admin API, for clients |
//! | `console` | a page for operators in a browser, which uses the admin API. Feature `console` |
//! | [`probe`] | the probe before the first traffic, and the policy on addresses |
//! | `rollout` | staged rollouts: the plan, the guard that judges the canary, the state machine, and the driver. Feature `rollout` |
//! | [`routing`] | the rules: names, weights, splits, changes, routes, the draw. No I/O |
//! | [`handle`] | the published routes, and the requests in flight |
//! | [`health`] | which instances of a version get requests: states, settings |
//! | [`traffic`] | the figures of each version: outcomes, latencies, windows |
//! | [`metrics`] | exports the figures, the health and the rollouts to the `metrics` facade |
//! | [`docs`] | guides: architecture, recipes, operating, databases, errors, troubleshooting, contributing |
//!
//! # Features
//!
//! | feature | default | adds |
//! | --- | --- | --- |
//! | `sqlite` | yes | the SQL store on SQLite |
//! | `postgres` | | the SQL store on PostgreSQL |
//! | `mysql` | | the SQL store on MySQL and MariaDB |
//! | `tls-rustls` | | TLS to PostgreSQL and MySQL |
//! | `admin` | yes | the admin API, the HTTP probe and the address policy |
//! | `client` | yes | the client for backends, the HTTP probe and the address policy |
//! | `client-tls` | | TLS to backends, for the client and the probe |
//! | `api` | yes | the wire types of the admin API, which `admin` uses |
//! | `jwt` | yes | JWT authentication of the admin API |
//! | `console` | | a page for operators: splits, figures, changes, rollouts |
//! | `metrics` | yes | the figures for the `metrics` facade |
//! | `failover` | | a policy for tower's retry that sends a failed connection to another version |
//! | `proxy` | yes | the reverse proxy |
//! | `mirror` | yes | copies of requests to another version |
//! | `pin` | yes | session affinity by a signed cookie |
//! | `rollout` | | staged rollouts: the plan, the guard, the state machine and the driver |
//! | `cli` | | the binary `canary`: the [command line](docs::command_line) of the admin API |
//! | `serde` | | `Serialize` and `Deserialize` for the value types that stores and clients exchange |
//! | `testing` | | the contract that every store must pass, as tests for a store of your own |
//!
//! Without default features the layer and the store in memory remain, without sea-orm, axum and serde.
//! Features only add.
//!
//! # Examples
//!
//! `examples/minimal.rs` is the smallest use, `examples/seeded.rs` a unit test of a routing,
//! `examples/gateway` a whole gateway. [`docs::cookbook`] has recipes: reqwest under the proxy, a pool of
//! your own, TLS to backends, an authenticator of your own.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "admin")]
pub mod admin;
#[cfg(feature = "api")]
pub mod api;
mod balance;
mod common;
#[cfg(feature = "console")]
pub mod console;
pub mod deployments;
pub mod docs;
pub mod handle;
pub mod health;
pub mod layer;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "mirror")]
pub mod mirror;
#[cfg(any(feature = "admin", feature = "client"))]
pub mod probe;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(feature = "rollout")]
pub mod rollout;
pub mod routing;
pub mod store;
pub mod traffic;
#[cfg(feature = "client")]
pub mod upstream;

pub use self::deployments::{Deployments, NoVersionCheck};
pub use self::handle::RoutingHandle;
pub use self::layer::{Target, WeightedVersion, WeightedVersionLayer};
pub use self::routing::{Backend, Draw, ServiceName, VersionName, Weight};

/// Compiles the examples of the README.
#[cfg(all(doctest, feature = "sqlite", feature = "jwt", feature = "proxy", feature = "client"))]
#[doc = include_str!("../README.md")]
struct Readme;
