//! The splits at one revision of a store.

use std::fmt;
use std::time::SystemTime;

use crate::routing::{ServiceName, Split};

/// The splits at one revision of a store.
///
/// See [`RouteStore`](super::RouteStore) for an example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct Snapshot {
    /// The number of changes that the store has seen. A split may be later than this, never earlier.
    pub revision: u64,
    /// The splits, ordered by service name.
    pub splits: Vec<Split>,
    /// Stored splits that cannot be read. They do not affect the others.
    #[cfg_attr(feature = "serde", serde(default))]
    pub broken: Vec<BrokenSplit>,
    /// The number of servers that this store has followed one after the other, as in a fail-over. Splits of an earlier term
    /// are never published after splits of a later one. 0 for a store that has one server. It is not serialized, since
    /// each process counts for itself.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub term: u64,
    /// The services with a rollout that is not over, ordered by name. `None`: the store has no rollouts, or did not read
    /// them because the revision stands still.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub rollouts: Option<Vec<ServiceName>>,
}

impl Snapshot {
    /// Creates a snapshot in which every split could be read. `splits` must be ordered by service name.
    ///
    /// The revision must have been read before the splits: a change in between is then loaded again, and
    /// never missed.
    #[must_use]
    pub const fn new(revision: u64, splits: Vec<Split>) -> Self {
        Self { revision, splits, broken: Vec::new(), term: 0, rollouts: None }
    }

    /// Sets the term in which the splits were read, for a store that follows several servers.
    ///
    /// Count up when the store begins to follow another server. A gateway then loads everything, and drops
    /// late answers of the server before.
    #[must_use]
    pub fn with_term(self, term: u64) -> Self {
        Self { term, ..self }
    }

    /// Sets the services with a rollout that is not over, ordered by name.
    ///
    /// The driver of rollouts reads no rollout while the list is empty.
    #[must_use]
    pub fn with_rollouts(self, services: Vec<ServiceName>) -> Self {
        Self { rollouts: Some(services), ..self }
    }
}

/// The routes that were served last, to start with while the store cannot be read.
///
/// See [`SnapshotCache`](crate::deployments::SnapshotCache) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct LastGood {
    /// The splits and their revision.
    pub snapshot: Snapshot,
    /// When the store was last read before they were saved.
    #[cfg_attr(feature = "serde", serde(with = "crate::common::millis"))]
    pub at: SystemTime,
}

impl LastGood {
    /// Creates the record of a snapshot that was the latest of the store at `at`, without its rollouts: they need the
    /// store.
    #[must_use]
    pub fn new(snapshot: Snapshot, at: SystemTime) -> Self {
        Self { snapshot: Snapshot { rollouts: None, ..snapshot }, at }
    }
}

/// A stored split that cannot be read, for example because its URL was edited by hand.
///
/// ```
/// use tower_canary::store::BrokenSplit;
///
/// let broken = BrokenSplit::new("auth", "row 7, column url: not a URL");
/// let text = "the stored split of \"auth\" cannot be read: row 7, column url: not a URL";
/// assert_eq!(broken.to_string(), text);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct BrokenSplit {
    /// The name of the service as it is stored.
    pub service: String,
    /// Which row and column cannot be read, and why.
    pub reason: String,
}

impl BrokenSplit {
    /// Creates the report of a split that cannot be read.
    pub fn new(service: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { service: service.into(), reason: reason.into() }
    }
}

impl fmt::Display for BrokenSplit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stored split of {:?} cannot be read: {}", self.service, self.reason)
    }
}
