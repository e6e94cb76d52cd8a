//! The events of an instance, and the transitions that they cause.

use std::time::Duration;

/// What happened to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    CheckPassed,
    CheckFailed,
    /// As many requests in a row failed as [`Health::with_row`](super::Health::with_row) says, or more.
    RowFull,
    /// A request succeeded after others failed.
    RowCleared,
    /// No checks are made: the service has no health path, or the version check does not probe.
    Unchecked,
    /// An operator ends the ejection, after a check that passed.
    Cleared,
    /// Time has passed.
    Time,
}

/// A change that operators are informed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    /// The instance is in service. `trial`: one failed request ejects it again.
    Up { trial: bool },
    /// Its checks failed. It is out of service until they pass.
    Down,
    /// Requests to it failed. It stays out of service for this time.
    Ejected { lasts: Duration },
    /// Requests to it failed, but too many of its version are out of service already. It stays in service.
    Spared,
}
