//! The result of a change.

use crate::routing::Split;

/// The result of a change.
///
/// See [`RouteStore`](super::RouteStore) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// The split before the change.
    pub before: Split,
    /// The split after it. It equals `before` if the change changed nothing.
    pub after: Split,
    /// The revision of the store after the change.
    pub revision: u64,
    /// The [term](super::Snapshot::term) in which the change was made.
    pub term: u64,
}

impl Applied {
    /// Creates the result of a change from `before` to `after`, which left the store at `revision`.
    #[must_use]
    pub const fn new(before: Split, after: Split, revision: u64) -> Self {
        Self { before, after, revision, term: 0 }
    }

    /// Sets the term in which the change was made, for a store that follows several servers.
    #[must_use]
    pub fn with_term(self, term: u64) -> Self {
        Self { term, ..self }
    }
}
