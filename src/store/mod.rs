//! Where splits are kept: [`RouteStore`], the store in memory, and the store in a SQL database.
//!
//! A store only locks, loads a split, lets [`ChangeRequest::decide`] decide, writes, and records what happened, in one
//! transaction. The rules themselves are in [`routing`](crate::routing), so every store obeys the same ones.
//!
//! ```
//! use tower_canary::routing::Change;
//! use tower_canary::store::{ChangeRequest, MemoryStore, RouteStore};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let store = MemoryStore::new();
//! let register = Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?);
//! // Probed elsewhere, or not at all: a store does not ask.
//! let applied = store.commit(&"auth".parse()?, &ChangeRequest::new(register, "alice").without_check()).await?;
//! assert_eq!((applied.revision, applied.after.generation()), (1, 1));
//! assert_eq!(store.load(0).await?.splits, [applied.after]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod change_request;
mod error;
mod history;
#[cfg(feature = "_sql")]
mod json;
mod memory;
mod refusals;
mod replicas;
mod routes;
mod snapshot;
#[cfg(feature = "_sql")]
pub mod sql;

#[cfg(feature = "admin")]
pub(crate) use self::change_request::MAX_ACTOR;
#[cfg(feature = "api")]
pub(crate) use self::change_request::MAX_REASON;
pub(crate) use self::change_request::text;
pub use self::change_request::{ChangeRequest, Clearance};
pub use self::error::StoreError;
pub use self::history::HistoryEntry;
#[cfg(feature = "_sql")]
pub use self::json::LastGoodError;
pub use self::memory::MemoryStore;
pub use self::refusals::{Refusal, RefusalLog};
pub use self::replicas::{Draining, Replica, ReplicaRegistry, Report};
pub use self::routes::{Applied, RouteStore, Signal};
pub use self::snapshot::{BrokenSplit, LastGood, Snapshot};
