//! Storage for splits: [`RouteStore`] with a store in memory and a store in a SQL database.
//!
//! A store locks a service, loads its split, applies [`ChangeRequest::decide`], writes the result, and records the change,
//! in one transaction. The rules themselves are in [`routing`](crate::routing), so they are the same for every store.
//!
//! | trait | stores | required |
//! | --- | --- | --- |
//! | [`RouteStore`] | splits and their history | yes |
//! | [`RefusalLog`] | changes that were refused | no |
//! | [`ReplicaRegistry`] | the gateways that share the store | no |
//! | [`RolloutStore`] | staged rollouts | no |
//!
//! ```
//! use tower_canary::routing::Change;
//! use tower_canary::store::{ChangeRequest, MemoryStore, RouteStore};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let store = MemoryStore::new();
//! let register = Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?);
//! // `Deployments` checks the version first. A store checks nothing.
//! let request = ChangeRequest::new(register, "alice").without_check();
//! let applied = store.commit(&"auth".parse()?, &request).await?;
//! assert_eq!((applied.revision, applied.after.generation()), (1, 1));
//! assert_eq!(store.load(0).await?.splits, [applied.after]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Serialization
//!
//! The feature `serde` implements `Serialize` and `Deserialize` for the values that a store reads and writes:
//! [`HistoryEntry`], [`Refusal`], [`Snapshot`], [`BrokenSplit`], [`LastGood`], [`Report`], [`Draining`], [`Replica`], and the
//! values of [`routing`](crate::routing#serialization). Field names are in camel case. Times are milliseconds since the
//! Unix epoch, and the time since a report is `seenMillis`. Unknown fields are ignored, so that a release can read the
//! values of a later one.

mod actor_kind;
mod applied;
mod change_request;
#[cfg(feature = "testing")]
pub mod contract;
mod error;
mod history;
#[cfg(feature = "_sql")]
mod json;
mod memory;
mod new_rollout;
mod refusals;
mod replicas;
mod rollout_columns;
mod rollout_write;
mod rollouts;
mod routes;
mod snapshot;
#[cfg(feature = "_sql")]
pub mod sql;
mod stored_rollout;

pub use self::actor_kind::ActorKind;
pub use self::applied::Applied;
pub(crate) use self::change_request::check_text;
pub use self::change_request::{ChangeRequest, Clearance, MAX_ACTOR, MAX_REASON, MAX_REQUEST_ID};
pub use self::error::StoreError;
pub use self::history::HistoryEntry;
#[cfg(feature = "_sql")]
pub use self::json::LastGoodError;
pub use self::memory::MemoryStore;
pub use self::new_rollout::NewRollout;
pub use self::refusals::{Refusal, RefusalLog};
pub use self::replicas::{Draining, Replica, ReplicaFigures, ReplicaRegistry, Report};
pub use self::rollout_columns::{NewRolloutEvent, RolloutColumns};
pub use self::rollout_write::{DecidedChange, LeaseUse, RolloutWrite, RolloutWritten};
pub use self::rollouts::{LiveRollouts, RolloutStore};
pub use self::routes::{RouteStore, Signal};
pub use self::snapshot::{BrokenSplit, LastGood, Snapshot};
pub use self::stored_rollout::{StoredRollout, StoredRolloutEvent};
pub use crate::common::time::now;
