//! The gateways that share a store.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::error::StoreError;
use crate::routing::{Backend, ServiceName, VersionName};

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
    /// If the report [starts](Report::starts) a process, earlier ones of the same name have [`Replica::SUCCESSION`] to
    /// report again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] or [`StoreError::Unusable`] if the registry cannot be written.
    async fn report(&self, report: &Report) -> Result<(), StoreError>;

    /// Removes the replica `id`, whose process stops. An unknown replica is no error.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] or [`StoreError::Unusable`] if the registry cannot be written.
    async fn withdraw(&self, id: &str) -> Result<(), StoreError>;

    /// Returns the replicas that reported within the last [`Replica::EXPIRY`], ordered by name and then by id. One whose
    /// report is dated in the future, since the clock was set back, expires as if it was dated now.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] or [`StoreError::Unusable`] if the registry cannot be read.
    async fn replicas(&self) -> Result<Vec<Replica>, StoreError>;

    /// Returns the figures of the replicas that [`replicas`](Self::replicas) returns and that reported some, ordered by the id
    /// of the replica. The default has none.
    ///
    /// They are read apart from the replicas, since they are larger than all the rest of a report.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] or [`StoreError::Unusable`] if the registry cannot be read.
    async fn figures(&self) -> Result<Vec<ReplicaFigures>, StoreError> {
        Ok(Vec::new())
    }
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
    /// The time since its report. A store may return more for an earlier process of the same name, so that it expires
    /// after [`SUCCESSION`](Self::SUCCESSION).
    #[cfg_attr(
        feature = "serde",
        serde(rename = "seenMillis", with = "crate::common::time::duration_millis")
    )]
    pub seen: Duration,
    /// The versions at weight 0 that had requests at its report, or that pins and overrides may still select, and the removed
    /// base URLs that had requests.
    #[cfg_attr(feature = "serde", serde(default))]
    pub draining: Vec<Draining>,
    /// Whether it reports removed base URLs. `false`: a gateway of an earlier release, which may have requests for some and
    /// does not list them.
    #[cfg_attr(feature = "serde", serde(default))]
    pub reports_urls: bool,
    /// The base URL of its admin API, for clients that ask each replica for its figures. `None`: it reports none.
    #[cfg_attr(feature = "serde", serde(default))]
    pub admin_url: Option<String>,
}

impl Replica {
    /// Time after its last report at which a replica counts as gone.
    pub const EXPIRY: Duration = Duration::from_secs(15);

    /// Time after the start of a replica at which an earlier one of the same name counts as gone, unless it reports again:
    /// longer than the time between two reports, so that one that still serves is never omitted.
    pub const SUCCESSION: Duration = Duration::from_secs(6);

    /// Creates the replica that made `report`, `seen` ago. It reports removed base URLs.
    #[must_use]
    pub fn new(report: Report, seen: Duration) -> Self {
        let Report { id, name, revision, draining, admin_url, .. } = report;
        Self { id, name, revision, seen, draining, reports_urls: true, admin_url }
    }

    /// Sets whether the replica reports removed base URLs. A store sets it to `false` for a gateway of an earlier release.
    #[must_use]
    pub fn with_reports_urls(self, reports_urls: bool) -> Self {
        Self { reports_urls, ..self }
    }
}

/// The report of a replica. See [`Replica`] for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct Report {
    /// The process: at most 36 characters, for example a UUID.
    pub id: String,
    /// The name that the application gave it.
    pub name: String,
    /// It serves the splits of this revision or later ones, except for splits that it cannot read.
    pub revision: u64,
    /// The versions at weight 0 that have requests, or that pins and overrides may still select, the removed base URLs that
    /// have requests, and all serving versions of splits that it cannot read. In order, and found after the revision was
    /// served.
    #[cfg_attr(feature = "serde", serde(default))]
    pub draining: Vec<Draining>,
    /// Whether this is the first report of the process, which takes the place of an earlier process of the same name.
    #[cfg_attr(feature = "serde", serde(default))]
    pub starts: bool,
    /// The base URL of its admin API, as other replicas and operators reach it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub admin_url: Option<String>,
    /// The figures of its versions, as a text that the registry does not read. `None`: no service has a rollout.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub figures: Option<String>,
}

impl Report {
    /// Maximum length of [`figures`](Self::figures), in bytes: 1 MiB, for more than 100 rollouts at once.
    pub const MAX_FIGURES: usize = 1024 * 1024;

    /// Creates the report of a replica that drains no version.
    ///
    /// The id is of the process and chosen at its start, the name is of the deployment and stays: two
    /// processes of one name succeed each other.
    pub fn new(id: impl Into<String>, name: impl Into<String>, revision: u64) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            revision,
            draining: Vec::new(),
            starts: false,
            admin_url: None,
            figures: None,
        }
    }

    /// Sets the base URL of the replica's admin API.
    ///
    /// It is shown to operators and never called by the store. Default: `None`.
    #[must_use]
    pub fn with_admin_url(self, admin_url: Option<String>) -> Self {
        Self { admin_url, ..self }
    }

    /// Sets the figures of the replica's versions. A text of more than [`MAX_FIGURES`](Self::MAX_FIGURES), or with a NUL, is left
    /// out.
    ///
    /// ```
    /// use tower_canary::store::Report;
    ///
    /// let report = Report::new("7f3a", "gateway-1", 42).with_figures(Some("{}".into()));
    /// assert_eq!(report.figures.as_deref(), Some("{}"));
    /// let too_long = "x".repeat(Report::MAX_FIGURES + 1);
    /// assert_eq!(report.with_figures(Some(too_long)).figures, None);
    /// ```
    #[must_use]
    pub fn with_figures(self, figures: Option<String>) -> Self {
        let figures = figures.filter(|text| text.len() <= Self::MAX_FIGURES && !text.contains('\0'));
        Self { figures, ..self }
    }

    /// Sets whether this is the first report of the process.
    ///
    /// A store then lets earlier processes of the same name expire after [`Replica::SUCCESSION`]. Default:
    /// `false`.
    #[must_use]
    pub fn with_start(self, starts: bool) -> Self {
        Self { starts, ..self }
    }

    /// Sets the versions and base URLs that the replica may still have requests for.
    ///
    /// They must have been found *after* the revision of the report was served: others conclude from a report
    /// that lacks a version that the version is drained here.
    #[must_use]
    pub fn with_draining(self, draining: Vec<Draining>) -> Self {
        Self { draining, ..self }
    }
}

/// The figures that a replica reported. See [`Report::with_figures`].
///
/// ```
/// use tower_canary::store::{MemoryStore, ReplicaFigures, ReplicaRegistry, Report};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// store.report(&Report::new("7f3a", "gateway-1", 42).with_figures(Some("{}".into()))).await?;
/// store.report(&Report::new("81c0", "gateway-2", 42)).await?;
/// assert_eq!(store.figures().await?, [ReplicaFigures::new("7f3a", "gateway-1", "{}")]);
/// # Ok::<(), tower_canary::store::StoreError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaFigures {
    /// The process.
    pub id: String,
    /// The name that the application gave it.
    pub name: String,
    /// The text that it reported.
    pub figures: String,
}

impl ReplicaFigures {
    /// Creates the figures of the replica `id`.
    pub fn new(id: impl Into<String>, name: impl Into<String>, figures: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), figures: figures.into() }
    }
}

/// A version at weight 0, or a removed base URL of a version, that a replica may still have requests for.
///
/// ```
/// use tower_canary::store::{Draining, Report};
///
/// let version = Draining::new("auth".parse()?, "v1.0".parse()?);
/// let instance = Draining::new("auth".parse()?, "v1.1".parse()?).with_url("http://10.0.0.3:8080".parse()?);
/// let report = Report::new("7f3a", "gateway-1", 42).with_draining(vec![version, instance]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct Draining {
    /// The service.
    pub service: ServiceName,
    /// The version.
    pub version: VersionName,
    /// The removed base URL. `None`: the whole version.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub url: Option<Backend>,
}

impl Draining {
    /// Creates the entry of one version.
    #[must_use]
    pub const fn new(service: ServiceName, version: VersionName) -> Self {
        Self { service, version, url: None }
    }

    /// Restricts the entry to one base URL of the version. See [`Draining`] for an example.
    #[must_use]
    pub fn with_url(self, url: Backend) -> Self {
        Self { url: Some(url), ..self }
    }
}
