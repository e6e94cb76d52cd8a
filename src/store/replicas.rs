//! The gateways that share a store.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::error::StoreError;
use crate::routing::{ServiceName, VersionName};

/// Records the gateway processes that share a store.
///
/// A store that has a registry returns it from [`RouteStore::replica_registry`](super::RouteStore::replica_registry).
/// Gateways that have a [name](crate::deployments::Builder::with_replica_name) then report to it every 5 s, after each change,
/// and when a version is drained. The registry shows an operator whether every gateway serves a change, and whether a
/// version may be stopped.
///
/// See [`Replica`] for an example.
#[async_trait]
pub trait ReplicaRegistry: fmt::Debug + Send + Sync + 'static {
    /// Records what a replica reports, in place of its previous report. Replicas report periodically, since
    /// [`replicas`](Self::replicas) omits silent ones.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the registry cannot be written.
    async fn report(&self, report: &Report) -> Result<(), StoreError>;

    /// Removes the replica `id`, which stops. An unknown replica is no error.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the registry cannot be written.
    async fn withdraw(&self, id: &str) -> Result<(), StoreError>;

    /// Returns the replicas that reported within the last [`Replica::EXPIRY`], ordered by name and then by id.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the registry cannot be read.
    async fn replicas(&self) -> Result<Vec<Replica>, StoreError>;
}

/// One of the gateway processes that share a store, by its last report.
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct Replica {
    /// The process. Several may have the same name.
    pub id: String,
    /// The name that the application gave it.
    pub name: String,
    /// It serves the splits of this revision or later ones, except for splits that it cannot read.
    pub revision: u64,
    /// The time since its report.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "seenMillis", with = "crate::common::time::duration_millis")
    )]
    pub seen: Duration,
    /// The versions at weight 0 that had requests at its report, or that pins and overrides may still select.
    #[cfg_attr(feature = "serde", serde(default))]
    pub draining: Vec<Draining>,
}

impl Replica {
    /// Time after its last report at which a replica counts as gone.
    pub const EXPIRY: Duration = Duration::from_secs(15);

    /// Creates the replica that made `report`, `seen` ago.
    #[must_use]
    pub fn new(report: Report, seen: Duration) -> Self {
        let Report { id, name, revision, draining } = report;
        Self { id, name, revision, seen, draining }
    }
}

/// The report of a replica. See [`Replica`] for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct Report {
    /// The process.
    pub id: String,
    /// The name that the application gave it.
    pub name: String,
    /// It serves the splits of this revision or later ones, except for splits that it cannot read.
    pub revision: u64,
    /// The versions at weight 0 that have requests, or that pins and overrides may still select, and all serving versions of
    /// splits that it cannot read. In order, and found after the revision was served.
    #[cfg_attr(feature = "serde", serde(default))]
    pub draining: Vec<Draining>,
}

impl Report {
    /// Creates the report of a replica that drains no version.
    pub fn new(id: impl Into<String>, name: impl Into<String>, revision: u64) -> Self {
        Self { id: id.into(), name: name.into(), revision, draining: Vec::new() }
    }

    /// Sets the versions that the replica may still have requests for.
    #[must_use]
    pub fn with_draining(self, draining: Vec<Draining>) -> Self {
        Self { draining, ..self }
    }
}

/// A version at weight 0 that a replica may still have requests for.
///
/// ```
/// use tower_canary::store::{Draining, Report};
///
/// let draining = Draining::new("auth".parse()?, "v1.0".parse()?);
/// let report = Report::new("7f3a", "gateway-1", 42).with_draining(vec![draining]);
/// # Ok::<(), tower_canary::routing::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct Draining {
    /// The service.
    pub service: ServiceName,
    /// The version.
    pub version: VersionName,
}

impl Draining {
    /// Creates the entry of one version.
    #[must_use]
    pub const fn new(service: ServiceName, version: VersionName) -> Self {
        Self { service, version }
    }
}
