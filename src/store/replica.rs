//! The gateways that share a store.

use std::time::Duration;

use crate::routing::{ServiceName, VersionName};

/// One gateway process among those that share a store, as it reported itself.
///
/// ```
/// use tower_canary::store::{MemoryStore, Replica, Report, RouteStore};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// store.report(&Report::new("7f3a", "gateway-1", 42)).await?;
/// let replicas: Vec<Replica> = store.replicas().await?;
/// assert_eq!((replicas[0].name.as_str(), replicas[0].revision), ("gateway-1", 42));
/// # Ok::<(), tower_canary::store::StoreError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store of a host's own builds it")]
pub struct Replica {
    /// Which process: two of one name are told apart by it.
    pub id: String,
    /// What the host called it.
    pub name: String,
    /// It serves what the store had at this revision, or later, but for splits that it cannot read.
    pub revision: u64,
    /// How long ago it reported.
    pub seen: Duration,
    /// Versions at weight 0 that had requests when it reported, or that pins and overrides may bring some there.
    pub draining: Vec<Draining>,
}

impl Replica {
    /// A replica that has not reported for so long counts as gone.
    pub const EXPIRY: Duration = Duration::from_secs(15);
}

/// What a replica says of itself, in [`report`](super::RouteStore::report). [`Replica`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Which process.
    pub id: String,
    /// What the host called it.
    pub name: String,
    /// It serves what the store had at this revision, or later, but for splits that it cannot read.
    pub revision: u64,
    /// Versions at weight 0 that have requests, or that pins and overrides may bring some, in order; found after the revision
    /// was served. And all that serve of splits that it cannot read.
    pub draining: Vec<Draining>,
}

/// A version that a replica may still have requests for, at weight 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "a store of a host's own builds it")]
pub struct Draining {
    /// The service.
    pub service: ServiceName,
    /// Its version.
    pub version: VersionName,
}

impl Report {
    /// Of a replica that is draining nothing.
    pub fn new(id: impl Into<String>, name: impl Into<String>, revision: u64) -> Self {
        Self { id: id.into(), name: name.into(), revision, draining: Vec::new() }
    }

    /// Still has requests for these.
    #[must_use]
    pub fn with_draining(self, draining: Vec<Draining>) -> Self {
        Self { draining, ..self }
    }
}

/// What a store tells those that follow it, in [`changed`](super::RouteStore::changed).
///
/// ```
/// use std::time::Duration;
/// use tower_canary::store::{MemoryStore, RouteStore, Signal};
///
/// /// `None` where the store has not told anything in time, and is to be polled.
/// async fn told(store: &dyn RouteStore) -> Option<Signal> {
///     tokio::time::timeout(Duration::from_millis(10), store.changed()).await.ok()
/// }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// assert_eq!(told(&MemoryStore::new()).await, None);
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
