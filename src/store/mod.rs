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
//! let applied = store.apply(&"auth".parse()?, &ChangeRequest::new(register, "alice").without_check()).await?;
//! assert_eq!((applied.revision, applied.after.generation()), (1, 1));
//! assert_eq!(store.load(0).await?.splits, [applied.after]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod change_request;
mod error;
#[cfg(feature = "_sql")]
mod json;
mod memory;
mod refusal;
mod replica;
#[cfg(feature = "_sql")]
pub mod sql;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

#[cfg(feature = "admin")]
pub(crate) use self::change_request::MAX_ACTOR;
#[cfg(feature = "api")]
pub(crate) use self::change_request::MAX_REASON;
pub(crate) use self::change_request::text;
pub use self::change_request::{ChangeRequest, Clearance};
pub use self::error::StoreError;
#[cfg(feature = "_sql")]
pub use self::json::LastGoodError;
pub use self::memory::MemoryStore;
pub use self::refusal::Refusal;
pub use self::replica::{Draining, Replica, Report, Signal};
use crate::routing::{ServiceName, Split, VersionName, VersionShare};

/// Keeps the splits of all services and the history of their changes.
///
/// Two writers of one service take turns; readers see a split before a change or after it, never between.
///
/// ```
/// use tower_canary::routing::Change;
/// use tower_canary::store::{ChangeRequest, MemoryStore, RouteStore};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let register = Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?);
/// let applied = store.apply(&"auth".parse()?, &ChangeRequest::new(register, "alice")).await?;
/// assert_eq!((applied.after.generation(), applied.revision), (1, 1));
/// assert_eq!(store.load(0).await?.splits, [applied.after]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait RouteStore: fmt::Debug + Send + Sync + 'static {
    /// The splits that changed after `revision`, each whole, and the revision they are at. After 0: all of them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the store cannot be read.
    async fn load(&self, after: u64) -> Result<Snapshot, StoreError>;

    /// Makes one change to the split of `service`, whole or not at all, and adds it to the history. A change that
    /// changes nothing succeeds and adds none. Registering the first version creates the service.
    ///
    /// # Errors
    ///
    /// [`StoreError`] says why; the split is then as it was.
    async fn apply(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError>;

    /// Up to `limit` changes of `service`, latest first; `before` leaves out that generation and later ones.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownService`], or [`StoreError::Unavailable`] when the store cannot be read.
    async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError>;

    /// Keeps a change that was refused, beside the history: the last 1,000 of the whole store are enough. A store that
    /// keeps none has nothing to do.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the store cannot be written.
    async fn note_refusal(&self, refusal: &Refusal) -> Result<(), StoreError> {
        let _ = refusal;
        Ok(())
    }

    /// Up to `limit` changes of `service` that were refused, latest first. There may be no such service.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the store cannot be read.
    async fn refusals(&self, service: &ServiceName, limit: u32) -> Result<Vec<Refusal>, StoreError> {
        let _ = (service, limit);
        Ok(Vec::new())
    }

    /// Waits until the store tells that there is something new to load: at once where it can, never where it cannot.
    /// Whoever follows a store polls it all the same.
    async fn changed(&self) -> Signal {
        std::future::pending().await
    }

    /// Notes what a replica says of itself, in place of what it said before. To be repeated, because
    /// [`replicas`](Self::replicas) leaves out who is silent. A store that does not keep it has nothing to do.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the store cannot be written.
    async fn report(&self, report: &Report) -> Result<(), StoreError> {
        let _ = report;
        Ok(())
    }

    /// Forgets the replica `id`, which stops.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the store cannot be written.
    async fn withdraw(&self, id: &str) -> Result<(), StoreError> {
        let _ = id;
        Ok(())
    }

    /// The replicas that reported within the last [`Replica::EXPIRY`], ordered by name.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the store cannot be read.
    async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        Ok(Vec::new())
    }
}

/// A store that is shared, as by two gateways in one test.
#[async_trait]
impl<S: RouteStore + ?Sized> RouteStore for Arc<S> {
    async fn load(&self, after: u64) -> Result<Snapshot, StoreError> {
        (**self).load(after).await
    }

    async fn apply(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError> {
        (**self).apply(service, request).await
    }

    async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        (**self).history(service, before, limit).await
    }

    async fn note_refusal(&self, refusal: &Refusal) -> Result<(), StoreError> {
        (**self).note_refusal(refusal).await
    }

    async fn refusals(&self, service: &ServiceName, limit: u32) -> Result<Vec<Refusal>, StoreError> {
        (**self).refusals(service, limit).await
    }

    async fn changed(&self) -> Signal {
        (**self).changed().await
    }

    async fn report(&self, report: &Report) -> Result<(), StoreError> {
        (**self).report(report).await
    }

    async fn withdraw(&self, id: &str) -> Result<(), StoreError> {
        (**self).withdraw(id).await
    }

    async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        (**self).replicas().await
    }
}

/// Splits as they were at one revision of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store of a host's own builds it")]
pub struct Snapshot {
    /// How many changes the store had seen. Splits may be later than this, never earlier.
    pub revision: u64,
    /// The splits, ordered by service name.
    pub splits: Vec<Split>,
    /// What is stored and cannot be read. Others are not held up by it.
    pub broken: Vec<BrokenSplit>,
}

/// What was served at some time, to start with when the store cannot be read.
/// [`SnapshotCache`](crate::deployments::SnapshotCache) has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a cache of a host's own builds it")]
pub struct LastGood {
    /// The splits, and the revision they were at.
    pub snapshot: Snapshot,
    /// When they were served.
    pub at: SystemTime,
}

/// A stored split that cannot be read, such as one whose URL was edited by hand into none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store of a host's own builds it")]
pub struct BrokenSplit {
    /// The service's name as stored.
    pub service: String,
    /// What is wrong, naming the row.
    pub reason: String,
}

impl fmt::Display for BrokenSplit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stored split of {:?} cannot be read: {}", self.service, self.reason)
    }
}

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store of a host's own builds it")]
pub struct Applied {
    /// The split before.
    pub before: Split,
    /// The split after: the same when the change changed nothing.
    pub after: Split,
    /// The store's revision with the change.
    pub revision: u64,
}

/// One change of a split, as the history keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store of a host's own builds it from its rows")]
pub struct HistoryEntry {
    /// The generation that the change made.
    pub generation: u64,
    /// Who made it.
    pub actor: String,
    /// Why, if they said.
    pub reason: Option<String>,
    /// The kind of change, as [`Change::kind`](crate::routing::Change::kind) names it.
    pub kind: String,
    /// The version it named.
    pub version: Option<VersionName>,
    /// The split before.
    pub before: Vec<VersionShare>,
    /// The split after.
    pub after: Vec<VersionShare>,
    /// When.
    pub at: SystemTime,
}

impl HistoryEntry {
    /// The entry for a `request` that made `after` of `before` at the time `at`.
    #[must_use]
    pub fn new(request: &ChangeRequest, before: &Split, after: &Split, at: SystemTime) -> Self {
        Self {
            generation: after.generation(),
            actor: request.actor.clone(),
            reason: request.reason.clone(),
            kind: request.change.kind().to_owned(),
            version: request.change.version().cloned(),
            before: before.shares(),
            after: after.shares(),
            at,
        }
    }
}

/// How many refused changes a store keeps.
pub(crate) const MAX_REFUSALS: usize = 1_000;

/// Now, to the millisecond: what every store can keep.
pub(crate) fn now() -> SystemTime {
    from_millis(to_millis(SystemTime::now()))
}

/// Milliseconds since 1970.
pub(crate) fn to_millis(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

pub(crate) fn from_millis(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis.max(0).unsigned_abs())
}
