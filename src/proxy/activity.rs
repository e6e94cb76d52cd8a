//! When bytes were last moved, and how long that may be ago.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Stands for a deadline that no `Instant` can express. It is the time that tokio uses for "never".
const FOREVER: Duration = Duration::from_hours(24 * 365 * 30);

/// The time of the last movement of something that should not rest for ever.
///
/// Relaxed: the time guards no other memory, and a late read only makes a wait longer.
#[derive(Debug)]
pub(super) struct Activity {
    start: Instant,
    /// Milliseconds since the start.
    moved_at: AtomicU64,
}

impl Activity {
    /// Starts now.
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), moved_at: AtomicU64::new(0) }
    }

    /// Records a movement.
    pub(super) fn record(&self) {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved_at.store(elapsed, Ordering::Relaxed);
    }

    /// Returns when it has rested for `limit`, unless it moves before.
    pub(super) fn deadline(&self, limit: Duration) -> Instant {
        let moved_at = Duration::from_millis(self.moved_at.load(Ordering::Relaxed));
        deadline_after(self.start + moved_at, limit)
    }

    /// Waits until it has rested for `limit`.
    pub(super) async fn wait_idle(&self, limit: Duration) {
        loop {
            let deadline = self.deadline(limit);
            if deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }
}

/// Adds `timeout` to `instant`, or the time that stands for "never".
pub(super) fn deadline_after(instant: Instant, timeout: Duration) -> Instant {
    instant.checked_add(timeout).unwrap_or_else(|| instant + FOREVER)
}
