//! The last check of an instance.

use std::time::{Duration, SystemTime};

/// What the last check of an instance saw.
///
/// It has a status or a cause, never the body of the response. Whether a check passes is up to the
/// [`VersionCheck`](crate::deployments::VersionCheck): the one of `probe` wants a status of 200 to 299. See
/// [`RoutingHandle::instances`](crate::RoutingHandle::instances) for an example that reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastCheck {
    /// When the check ended, by the clock of this gateway at that moment.
    pub at: SystemTime,
    /// Whether it passed.
    pub passed: bool,
    /// The status of the response. `None`: there was none.
    pub status: Option<u16>,
    /// Why it failed. `None`: it passed.
    pub cause: Option<String>,
    /// The time until the response headers arrived, or until the check failed.
    pub took: Duration,
}

impl LastCheck {
    /// Creates the record of a check that has just passed.
    pub(crate) fn passed(status: u16, took: Duration) -> Self {
        Self { at: SystemTime::now(), passed: true, status: Some(status), cause: None, took }
    }

    /// Creates the record of a check that has just failed.
    pub(crate) fn failed(status: Option<u16>, cause: String, took: Duration) -> Self {
        Self { at: SystemTime::now(), passed: false, status, cause: Some(cause), took }
    }
}
