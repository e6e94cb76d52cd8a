//! The time of the runtime, which tests can pause.

use std::time::Instant;

/// Returns the current time.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
