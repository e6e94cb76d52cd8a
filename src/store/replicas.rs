//! The gateways that share a store.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::error::StoreError;
use crate::routing::{ServiceName, VersionName};

/// Records the gateway processes that share a store.
///
/// See [`Replica`] for an example.
#[async_trait]
pub trait ReplicaRegistry: fmt::Debug + Send + Sync + 'static {
    /// Records what a replica reports, in place of its previous report. A replica repeats it, since
    /// [`replicas`](Self::replicas) leaves out replicas that are silent.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the store cannot be written.
    async fn report(&self, report: &Report) -> Result<(), StoreError>;

    /// Removes the replica `id`, which stops.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the store cannot be written.
    async fn withdraw(&self, id: &str) -> Result<(), StoreError>;

    /// Returns the replicas that reported within the last [`Replica::EXPIRY`], ordered by name.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the store cannot be read.
    async fn replicas(&self) -> Result<Vec<Replica>, StoreError>;
}

/// One gateway process among those that share a store, as it reported itself.
///
/// ```
/// use tower_canary::store::{MemoryStore, Replica, ReplicaRegistry, Report};
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
#[non_exhaustive]
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

    /// Creates the replica that `report` describes, made `seen` ago.
    #[must_use]
    pub fn new(report: Report, seen: Duration) -> Self {
        let Report { id, name, revision, draining } = report;
        Self { id, name, revision, seen, draining }
    }
}

/// What a replica says of itself, in [`report`](ReplicaRegistry::report). [`Replica`] has an example.
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
#[non_exhaustive]
pub struct Draining {
    /// The service.
    pub service: ServiceName,
    /// Its version.
    pub version: VersionName,
}

impl Draining {
    /// Creates the entry of one version.
    #[must_use]
    pub const fn new(service: ServiceName, version: VersionName) -> Self {
        Self { service, version }
    }
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
