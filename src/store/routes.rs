//! Storage for the splits of all services.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::applied::Applied;
use super::change_request::ChangeRequest;
use super::error::StoreError;
use super::history::HistoryEntry;
use super::refusals::RefusalLog;
use super::replicas::ReplicaRegistry;
use super::rollouts::RolloutStore;
use super::snapshot::Snapshot;
use crate::routing::ServiceName;

/// Stores the splits of all services and the history of their changes.
///
/// [`MemoryStore`](super::MemoryStore) and, with a SQL feature, `store::sql::SqlStore` implement it.
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
///
/// # Implementing a store
///
/// `examples/custom_store` is a durable store: one JSON file, which is read again after a restart. The feature
/// `testing` has a test suite for a store of yours: `store::contract`. `load`, `commit` and `history` are required; the
/// rest is optional.
///
/// A store in memory, in short:
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::Mutex;
///
/// use async_trait::async_trait;
/// use tower_canary::ServiceName;
/// use tower_canary::routing::Split;
/// use tower_canary::store::{
///     Applied, ChangeRequest, HistoryEntry, RouteStore, Snapshot, StoreError, now,
/// };
///
/// #[derive(Debug, Default)]
/// struct Store(Mutex<State>);
///
/// #[derive(Debug, Default)]
/// struct State {
///     revision: u64,
///     services: BTreeMap<ServiceName, Service>,
/// }
///
/// #[derive(Debug)]
/// struct Service {
///     split: Split,
///     revision: u64, // of its last change
///     history: Vec<HistoryEntry>,
/// }
///
/// #[async_trait]
/// impl RouteStore for Store {
///     async fn load(&self, after: u64) -> Result<Snapshot, StoreError> {
///         let state = self.0.lock().unwrap();
///         let changed = state.services.values().filter(|service| service.revision > after);
///         Ok(Snapshot::new(state.revision, changed.map(|service| service.split.clone()).collect()))
///     }
///
///     async fn commit(&self, name: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError> {
///         let mut state = self.0.lock().unwrap(); // serializes the writers
///         let before = match state.services.get(name) {
///             Some(service) => service.split.clone(),
///             None => request.first_split(name)?,
///         };
///         let at = now();
///         let after = request.decide(&before, at)?;
///         if after.generation() > before.generation() {
///             state.revision += 1;
///             let revision = state.revision;
///             let new = Service { split: before.clone(), revision, history: Vec::new() };
///             let service = state.services.entry(name.clone()).or_insert(new);
///             service.split = after.clone();
///             service.revision = revision;
///             service.history.push(HistoryEntry::new(request, &before, &after, at));
///         }
///         Ok(Applied::new(before, after, state.revision))
///     }
///
///     async fn history(
///         &self,
///         name: &ServiceName,
///         before: Option<u64>,
///         limit: u32,
///     ) -> Result<Vec<HistoryEntry>, StoreError> {
///         let state = self.0.lock().unwrap();
///         let service = state.services.get(name).ok_or_else(|| StoreError::UnknownService(name.clone()))?;
///         let before = before.unwrap_or(u64::MAX);
///         let latest_first = service.history.iter().rev().filter(|entry| entry.generation < before);
///         Ok(latest_first.take(limit as usize).cloned().collect())
///     }
/// }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// # #[cfg(feature = "testing")]
/// # tower_canary::store::contract::run_all(async || Store::default()).await;
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A commit is four steps, and no other writer of the service may come between the first and the last:
///
/// 1. Read the split of the service, or take [`ChangeRequest::first_split`] if the service does not exist.
/// 2. [`ChangeRequest::decide`] applies the rules. Return its error as it is.
/// 3. If the generation is unchanged, nothing is written and the revision stays.
/// 4. Otherwise write the split and [`HistoryEntry::new`], and increment the revision: all of it or nothing.
///
/// | question | answer |
/// | --- | --- |
/// | Where does the salt of a service come from? | From [`ChangeRequest::first_split`]. The store stores it with the split and never changes it. |
/// | Where does [`StoreError::UnknownService`] come from? | From the store: in `commit` through `first_split`, and in [`history`](Self::history). A service exists after its first version was registered. |
/// | What do generation and revision count? | The generation counts the changes of one split; `decide` increments it. The revision counts the changes of the whole store; the store increments it. It starts at 0 and never decreases. |
/// | What does a service without versions mean? | A service whose last version was removed. Its split stays, with its salt, its generation and its history, and [`load`](Self::load) returns it. The next registration continues it. |
/// | What does a removed service mean? | Its split [is removed](crate::routing::Split::is_removed), and stays like any other: [`load`](Self::load) returns it, so that the gateways that share the store learn of it, and [`history`](Self::history) returns its changes. [`ChangeRequest::decide`] refuses all changes but a registration, which starts the service again. |
/// | May the storage be shared? | By any number of `Deployments` in one process. By several processes only if `commit` also excludes writers of other processes, for example by a row lock. Each process then polls [`load`](Self::load) and finds the changes of the others. |
/// | Which calls are concurrent? | All of them. Writers of one service must be serialized; writers of different services may be. A reader gets each split whole, before a change or after it. |
/// | What if a call is dropped? | It may be dropped at every `await`. A change is then made completely or not at all. |
/// | Which time does a change get? | [`now()`](super::now): to the millisecond, so that it is the same after it was stored. `decide` and [`HistoryEntry::new`] get the same value. |
/// | How long may a call take? | A few seconds. Return [`StoreError::Unavailable`] instead of waiting: routes stay in use and the call is retried. |
/// | How many base URLs does a version have? | 1 to [`Instances::MAX`](crate::routing::Instances::MAX) of up to [`Backend::MAX_LEN`](crate::routing::Backend::MAX_LEN) bytes. Their order is stored with them. |
/// | Which texts must be stored? | Names and URLs are ASCII. Actors and reasons are Unicode without NUL, of up to [`MAX_ACTOR`](super::MAX_ACTOR) and [`MAX_REASON`](super::MAX_REASON) characters. |
/// | What if a stored split cannot be read? | Put it into [`Snapshot::broken`], return [`StoreError::Broken`] from `commit`, and load the others. |
#[async_trait]
pub trait RouteStore: fmt::Debug + Send + Sync + 'static {
    /// Returns the revision of the store, and all splits whose last change has a revision greater than `after`, ordered by
    /// service name. `after` 0 returns all splits.
    ///
    /// The revision must be read before the splits or together with them: a split that is missed is never loaded again,
    /// one that is loaded twice does no harm. If `after` is greater than the revision, no split is returned.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] or [`StoreError::Unusable`] if the store cannot be read.
    async fn load(&self, after: u64) -> Result<Snapshot, StoreError>;

    /// Makes one change to the split of `service`, completely or not at all, and adds it to the history. A change that
    /// changes nothing succeeds and adds no entry. Registering the first version creates the service.
    ///
    /// # Errors
    ///
    /// - [`StoreError::UnknownService`] from [`ChangeRequest::first_split`].
    /// - The errors of [`ChangeRequest::decide`].
    /// - [`StoreError::Broken`] if the stored split cannot be read.
    /// - [`StoreError::Unstorable`] if the store cannot store a character of a text.
    /// - [`StoreError::Unavailable`] or [`StoreError::Unusable`] if the store cannot be written.
    async fn commit(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError>;

    /// Returns up to `limit` changes of `service`, latest first: those before the generation `before`, or all. Fewer
    /// than `limit` are the last ones that are stored: callers read no further page.
    ///
    /// # Errors
    ///
    /// - [`StoreError::UnknownService`] if the service does not exist. A removed service exists.
    /// - [`StoreError::Unavailable`] or [`StoreError::Unusable`] if the store cannot be read.
    async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError>;

    /// Waits until the store reports that there is something new to load. The default never returns, because every store is
    /// polled as well. The call is dropped and repeated often, so a signal must not be lost with it.
    async fn changed(&self) -> Signal {
        std::future::pending().await
    }

    /// Ends what the store still does and closes its connections, at the end of the process. It may be called several
    /// times. Later calls of the store may fail. The default does nothing.
    async fn close(&self) {}

    /// Returns the log of refused changes, if the store has one. The default returns `None`.
    fn refusal_log(&self) -> Option<&dyn RefusalLog> {
        None
    }

    /// Returns the registry of replicas, if the store has one. The default returns `None`.
    fn replica_registry(&self) -> Option<&dyn ReplicaRegistry> {
        None
    }

    /// Returns the storage for rollouts, if the store has one. The default returns `None`.
    fn rollout_store(&self) -> Option<&dyn RolloutStore> {
        None
    }
}

/// Shares a store between several owners.
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

    async fn close(&self) {
        (**self).close().await;
    }

    fn refusal_log(&self) -> Option<&dyn RefusalLog> {
        (**self).refusal_log()
    }

    fn replica_registry(&self) -> Option<&dyn ReplicaRegistry> {
        (**self).replica_registry()
    }

    fn rollout_store(&self) -> Option<&dyn RolloutStore> {
        (**self).rollout_store()
    }
}

/// The signals that [`changed`](RouteStore::changed) returns.
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
    /// A split changed: load the splits after the last revision.
    Changed,
    /// The connection was lost. The store may be another one now, so load all splits.
    Lost,
}
