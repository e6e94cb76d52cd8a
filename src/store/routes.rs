//! Where the splits of all services are stored.

use std::sync::Arc;

use async_trait::async_trait;

use super::change_request::ChangeRequest;
use super::error::StoreError;
use super::history::HistoryEntry;
use super::refusals::RefusalLog;
use super::replicas::ReplicaRegistry;
use super::snapshot::Snapshot;
use crate::routing::{ServiceName, Split};
use std::fmt;

/// Stores the splits of all services and the history of their changes.
///
/// Two writers of one service take turns. Readers see a split before a change or after it, never between.
///
/// ```
/// use tower_canary::routing::Change;
/// use tower_canary::store::{ChangeRequest, MemoryStore, RouteStore};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let register = Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?);
/// let applied = store.commit(&"auth".parse()?, &ChangeRequest::new(register, "alice")).await?;
/// assert_eq!((applied.after.generation(), applied.revision), (1, 1));
/// assert_eq!(store.load(0).await?.splits, [applied.after]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait RouteStore: fmt::Debug + Send + Sync + 'static {
    /// Returns the splits that changed after `revision`, each whole, and the revision they are at. After 0: all splits.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the store cannot be read.
    async fn load(&self, after: u64) -> Result<Snapshot, StoreError>;

    /// Makes one change to the split of `service`, whole or not at all, and adds it to the history. A change that changes
    /// nothing succeeds and adds no entry. Registering the first version creates the service.
    ///
    /// # Errors
    ///
    /// [`StoreError`] names the reason. The split is then unchanged.
    async fn commit(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError>;

    /// Returns up to `limit` changes of `service`, latest first. `before` leaves out that generation and later ones.
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

    /// Waits until the store reports that there is something new to load. The default never returns: every store is polled
    /// as well.
    async fn changed(&self) -> Signal {
        std::future::pending().await
    }

    /// Returns the log of refused changes, if the store has one. The default has none.
    fn refusal_log(&self) -> Option<&dyn RefusalLog> {
        None
    }

    /// Returns the registry of replicas, if the store has one. The default has none.
    fn replica_registry(&self) -> Option<&dyn ReplicaRegistry> {
        None
    }
}

/// A store that several owners share.
#[async_trait]
impl<S: RouteStore + ?Sized> RouteStore for Arc<S> {
    async fn load(&self, after: u64) -> Result<Snapshot, StoreError> {
        (**self).load(after).await
    }

    async fn commit(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError> {
        (**self).commit(service, request).await
    }

    async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        (**self).history(service, before, limit).await
    }

    async fn changed(&self) -> Signal {
        (**self).changed().await
    }

    fn refusal_log(&self) -> Option<&dyn RefusalLog> {
        (**self).refusal_log()
    }

    fn replica_registry(&self) -> Option<&dyn ReplicaRegistry> {
        (**self).replica_registry()
    }
}

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// The split before.
    pub before: Split,
    /// The split after: the same when the change changed nothing.
    pub after: Split,
    /// The store's revision with the change.
    pub revision: u64,
}

impl Applied {
    /// Creates the result of a change that made `after` of `before`, while the store is at `revision`.
    #[must_use]
    pub const fn new(before: Split, after: Split, revision: u64) -> Self {
        Self { before, after, revision }
    }
}

/// What a store reports in [`changed`](RouteStore::changed).
///
/// ```
/// use std::time::Duration;
/// use tower_canary::store::{MemoryStore, RouteStore, Signal};
///
/// /// Returns `None` when the store reported nothing in time.
/// async fn signal(store: &dyn RouteStore) -> Option<Signal> {
///     tokio::time::timeout(Duration::from_millis(10), store.changed()).await.ok()
/// }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// assert_eq!(signal(&MemoryStore::new()).await, None);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// Something changed.
    Changed,
    /// The store was lost for a while, and may have come back as another: load everything.
    Lost,
}
