//! The clock of a store in memory.

use std::time::SystemTime;

use tokio::time::Instant;

use crate::common::time::{from_millis, to_millis};

/// A clock that follows tokio's, so that a test with paused time can let hours pass. It is never set.
#[derive(Debug)]
pub(super) struct Clock {
    started: SystemTime,
    at: Instant,
}

impl Clock {
    /// Creates a clock that starts with the time of the system.
    pub(super) fn new() -> Self {
        Self { started: SystemTime::now(), at: Instant::now() }
    }

    /// Returns the time to the millisecond.
    pub(super) fn now(&self) -> SystemTime {
        let now = self.started.checked_add(self.at.elapsed());
        from_millis(to_millis(now.unwrap_or(self.started)))
    }
}
