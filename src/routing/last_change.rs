//! Who changed a split last.

use std::time::SystemTime;

/// Who changed a split last, and when: the newest entry of its history, in short.
///
/// [`ChangeRequest::decide`](crate::store::ChangeRequest::decide) sets it, and a store keeps it with the split. See
/// [`Split::last_change`](super::Split::last_change) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastChange {
    /// The person or program that made the change.
    pub actor: String,
    /// When it was made.
    pub at: SystemTime,
}

impl LastChange {
    /// Creates the record of a change that `actor` made at the time `at`.
    pub fn new(actor: impl Into<String>, at: SystemTime) -> Self {
        Self { actor: actor.into(), at }
    }
}
