//! The history of a split.

use std::time::SystemTime;

use super::change_request::ChangeRequest;
use crate::routing::{Split, VersionName, VersionShare};

/// One change of a split, as the history keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
