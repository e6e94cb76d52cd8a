//! The clock of a store in memory.

use std::time::SystemTime;

use tokio::time::Instant;

use crate::common::time::{from_millis, to_millis};

/// A clock that follows tokio's, so that a test with paused time can let hours pass. Nobody can set it, so it never
/// goes back.
#[derive(Debug)]
pub(super) struct Clock {
    /// The time of the system at the start of the clock.
    started_at: SystemTime,
    /// The same moment by tokio's clock.
    started: Instant,
}

impl Clock {
    /// Creates a clock that starts with the time of the system.
    pub(super) fn new() -> Self {
        Self { started_at: SystemTime::now(), started: Instant::now() }
    }

    /// Returns the time to the millisecond.
    pub(super) fn now(&self) -> SystemTime {
        let now = self.started_at.checked_add(self.started.elapsed());
        from_millis(to_millis(now.unwrap_or(self.started_at)))
    }
}
