//! Storage for staged rollouts.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;

use super::error::StoreError;
use super::new_rollout::NewRollout;
use super::rollout_write::{RolloutWrite, RolloutWritten};
use super::stored_rollout::{StoredRollout, StoredRolloutEvent};
use crate::routing::ServiceName;

/// Stores staged rollouts, so that any gateway that shares the store can drive them.
///
/// A store that has rollouts returns itself from [`RouteStore::rollout_store`](super::RouteStore::rollout_store). Plan, state
/// and evidence are texts that it does not read.
///
/// ```
/// use std::time::Duration;
/// use tower_canary::routing::Change;
/// use tower_canary::store::{
///     ChangeRequest, MemoryStore, NewRollout, RolloutColumns, RolloutStore, RolloutWrite, RolloutWritten, RouteStore,
/// };
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let auth = "auth".parse()?;
/// for name in ["v1.0", "v1.1"] {
///     let register = Change::register(name.parse()?, "http://10.0.0.1:8080".parse()?);
///     store.commit(&auth, &ChangeRequest::new(register, "alice").without_check()).await?;
/// }
/// let split = store.load(0).await?.splits.remove(0);
///
/// let waiting = RolloutColumns::new("{}", "waiting");
/// let new = NewRollout::new("7f3a", &split, &split.versions()[1], "{}", waiting, "alice");
/// let rollout = store.start_rollout(&new).await?;
///
/// // The first step: its weight and its state are written together, at most once.
/// let weight = Change::set_weight("v1.1".parse()?, "5".parse()?);
/// let weight = ChangeRequest::new(weight, "rollout:7f3a").without_check();
/// let write = RolloutWrite::new("7f3a", auth, rollout.turn, RolloutColumns::new("{}", "holding"))
///     .with_changes(split.generation(), vec![weight])
///     .with_claim("gateway-1", Duration::from_secs(15));
/// assert!(matches!(store.write_rollout(&write).await?, RolloutWritten::Written { .. }));
/// assert_eq!(store.write_rollout(&write).await?, RolloutWritten::Overtaken);
///
/// let live = store.live().await?;
/// assert!(!live.rollouts[0].may_be_led_by("gateway-2", live.now, Duration::from_secs(15)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | question | answer |
/// | --- | --- |
/// | How many rollouts does a service have at a time? | At most one that is not over. The store keeps the last [`StoredRollout::RETAINED`] that are over, and deletes earlier ones with the next start. |
/// | Who may write? | Any gateway: the turn decides. A write that names another turn than the stored one is [overtaken](RolloutWritten::Overtaken), and nothing of it is stored. |
/// | Why a lease? | It is a courtesy, so that one gateway at a time drives a rollout. It is measured by the store's clock alone, since the clocks of gateways differ. |
/// | Which writes belong together? | The values, the changes of the split with their history, the events and the lease: all of it or nothing. |
/// | How do other gateways learn of it? | A start, and a write that ends a rollout, increment the revision of the store and of the service, and [`Snapshot::rollouts`](super::Snapshot::rollouts) lists the services with a rollout. |
/// | What if the service is deleted? | Its rollouts are deleted with it. A service that is [removed](crate::routing::Split::is_removed) keeps them. |
#[async_trait]
pub trait RolloutStore: fmt::Debug + Send + Sync + 'static {
    /// Returns all rollouts that are not over, by their numbers, and the time of the store's clock at which they were read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] or [`StoreError::Unusable`] if the store cannot be read.
    async fn live(&self) -> Result<LiveRollouts, StoreError>;

    /// Returns the rollout `id`, over or not. `None`: it does not exist, or it cannot be read, which the store logs.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] or [`StoreError::Unusable`] if the store cannot be read.
    async fn rollout(&self, id: &str) -> Result<Option<StoredRollout>, StoreError>;

    /// Returns up to `limit` rollouts of `service`, latest first: those before the number `before`, or all. Those that
    /// cannot be read are left out, and earlier ones take their places: fewer than `limit` are the last ones that are
    /// stored. The service need not exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] or [`StoreError::Unusable`] if the store cannot be read.
    async fn rollouts(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<StoredRollout>, StoreError>;

    /// Returns the first `limit` events of the rollout `id`, oldest first. The rollout need not exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] or [`StoreError::Unusable`] if the store cannot be read.
    async fn rollout_events(&self, id: &str, limit: u32) -> Result<Vec<StoredRolloutEvent>, StoreError>;

    /// Stores a rollout at the turn [`StoredRollout::FIRST_TURN`], with its first events. It has no leader yet.
    ///
    /// # Errors
    ///
    /// - [`StoreError::TextRefused`] from [`NewRollout::check`].
    /// - [`StoreError::UnknownService`] if the service does not exist or was removed.
    /// - [`StoreError::RolloutActive`] if the service has a rollout that is not over.
    /// - [`StoreError::GenerationConflict`] if the split is at another generation than expected.
    /// - [`StoreError::Broken`] if the stored split cannot be read, or a rollout with this id exists.
    /// - [`StoreError::Unstorable`] if the store cannot store a character of a text.
    /// - [`StoreError::Unavailable`] or [`StoreError::Unusable`] if the store cannot be written.
    async fn start_rollout(&self, new: &NewRollout) -> Result<StoredRollout, StoreError>;

    /// Writes to a rollout, completely or not at all, unless the write is [overtaken](RolloutWritten::Overtaken). If
    /// its outcome is set, the rollout is over.
    ///
    /// # Errors
    ///
    /// - [`StoreError::TextRefused`] from [`RolloutWrite::check`].
    /// - The errors of [`RolloutWrite::decide`], unless the write is overtaken.
    /// - [`StoreError::Broken`] if the split has to be changed and cannot be read.
    /// - [`StoreError::Unstorable`] if the store cannot store a character of a text.
    /// - [`StoreError::Unavailable`] or [`StoreError::Unusable`] if the store cannot be written. If the connection is
    ///   lost during the commit, the write may have been made: read the rollout again and compare its turn.
    async fn write_rollout(&self, write: &RolloutWrite) -> Result<RolloutWritten, StoreError>;
}

/// The rollouts that are not over. See [`RolloutStore`] for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveRollouts {
    /// The time of the store's clock, to the millisecond.
    pub now: SystemTime,
    /// The rollouts, by their numbers. One that cannot be read is logged and left out.
    pub rollouts: Vec<StoredRollout>,
}

impl LiveRollouts {
    /// Creates the answer of a store.
    #[must_use]
    pub const fn new(now: SystemTime, rollouts: Vec<StoredRollout>) -> Self {
        Self { now, rollouts }
    }
}
