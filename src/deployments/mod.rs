//! Applies changes to a store and keeps the published routes up to date with it.
//!
//! [`Deployments`] connects a [`RouteStore`](crate::store::RouteStore) to a [`RoutingHandle`](crate::RoutingHandle):
//!
//! - [`apply`](Deployments::apply) checks, stores and publishes a change before it returns.
//! - [`run`](Deployments::run) follows the changes that other processes make in the same store. When the store fails,
//!   the routes published last stay in use.
//! - [`wait_converged`](Deployments::wait_converged) and [`other_replicas`](Deployments::other_replicas) say how far
//!   the other gateways are, and whether the process of an old version may be stopped.
//!
//! A [`VersionCheck`] decides which URLs may be registered and probes versions before they get traffic. With
//! [`Builder::with_health`] it also checks their instances all the time, and those that fail are taken out of service. A
//! [`SnapshotCache`] lets a process start while the store is down.
//!
//! ```
//! use tower_canary::routing::{Change, Registration};
//! use tower_canary::store::{ChangeRequest, MemoryStore};
//! use tower_canary::{Deployments, NoVersionCheck, ServiceName};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let deployments = Deployments::start(MemoryStore::new(), NoVersionCheck).await?;
//! let following = tokio::spawn(deployments.clone().run(std::future::pending()));
//!
//! let orders: ServiceName = "orders".parse()?;
//! let by_alice = |change| ChangeRequest::new(change, "alice");
//! let v1 = Registration::new("v1".parse()?, "http://10.0.0.1:8080".parse()?);
//! let v2 = Registration::new("v2".parse()?, "http://10.0.0.2:8080".parse()?).with_weight("10".parse()?);
//! deployments.apply(&orders, by_alice(Change::Register(v1))).await?;
//! let applied = deployments.apply(&orders, by_alice(Change::Register(v2))).await?;
//! assert_eq!(applied.after.versions()[0].weight.percent(), 90.0);
//! # following.abort();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apply;
mod audit;
mod background;
mod builder;
mod checker;
mod checks;
mod clock;
mod convergence;
mod deployed;
#[expect(clippy::module_inception, reason = "the facade has the name of its module")]
mod deployments;
mod drain;
mod error;
#[cfg(feature = "rollout")]
mod figures;
#[cfg(not(feature = "rollout"))]
#[path = "no_figures.rs"]
mod figures;
mod instances;
mod loader;
mod observe;
mod preview;
mod progress;
mod publisher;
#[cfg(feature = "metrics")]
mod recorder;
#[cfg(not(feature = "metrics"))]
#[path = "no_recorder.rs"]
mod recorder;
mod replicas;
#[cfg(feature = "rollout")]
mod rollouts;
mod snapshot_cache;
mod version_check;

pub use self::background::DutyStatus;
#[cfg(feature = "rollout")]
pub(crate) use self::background::{Duty, Label, catch_panic};
pub use self::builder::Builder;
pub use self::checks::{HealthEvent, HealthEventKind};
pub use self::convergence::Convergence;
pub use self::deployed::{Deployed, VersionProbe};
pub use self::deployments::Deployments;
pub use self::drain::{DrainBlocker, OtherReplicas};
pub use self::error::DeployError;
pub use self::progress::Freshness;
#[cfg(feature = "metrics")]
pub(crate) use self::recorder::{
    CHANGES, Exporter, HEALTH_CHECKS, ProbeResult, STORE_ERRORS, STORE_OPERATIONS,
};
pub use self::snapshot_cache::SnapshotCache;
pub use self::version_check::{Healthy, NoVersionCheck, Unhealthy, UrlRefused, VersionCheck};
