//! Splits as they were at one revision of a store.

use std::fmt;
use std::time::SystemTime;

use crate::routing::Split;

/// Splits as they were at one revision of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// How many changes the store had seen. Splits may be later than this, never earlier.
    pub revision: u64,
    /// The splits, ordered by service name.
    pub splits: Vec<Split>,
    /// What is stored and cannot be read. Others are not held up by it.
    pub broken: Vec<BrokenSplit>,
}

impl Snapshot {
    /// Creates a snapshot in which every split could be read.
    #[must_use]
    pub const fn new(revision: u64, splits: Vec<Split>) -> Self {
        Self { revision, splits, broken: Vec::new() }
    }
}

/// What was served at some time, to start with when the store cannot be read.
/// [`SnapshotCache`](crate::deployments::SnapshotCache) has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastGood {
    /// The splits, and the revision they were at.
    pub snapshot: Snapshot,
    /// When they were served.
    pub at: SystemTime,
}

impl LastGood {
    /// Creates the record of a snapshot that was served at `at`.
    #[must_use]
    pub const fn new(snapshot: Snapshot, at: SystemTime) -> Self {
        Self { snapshot, at }
    }
}

/// A stored split that cannot be read, such as one whose URL was edited by hand into none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokenSplit {
    /// The service's name as stored.
    pub service: String,
    /// What is wrong, naming the row.
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
