//! The log of failed requests, limited in its rate.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use crate::common::error::chain_text;

/// Logs why requests fail: at most one warning per second, the others as debug events.
///
/// A backend that is down would otherwise fill the log with one line per request.
#[derive(Debug)]
pub(super) struct FailureLog {
    created: Instant,
    /// The second of the last warning since `created`, counted from 1; 0 before the first.
    warned: AtomicU64,
}

impl FailureLog {
    /// Creates a log whose first failure is a warning.
    pub(super) fn new() -> Self {
        Self { created: Instant::now(), warned: AtomicU64::new(0) }
    }

    /// Logs a failure with the chain of its causes, if there is an error.
    pub(super) fn log_failure(&self, message: &'static str, error: Option<&(dyn Error + 'static)>) {
        if self.is_due() { warn(message, error) } else { debug(message, error) }
    }

    /// Returns whether the next warning may be logged, and counts it.
    fn is_due(&self) -> bool {
        let second = self.created.elapsed().as_secs() + 1;
        // Relaxed: the value guards no other memory, and `fetch_max` lets exactly one thread win a second.
        self.warned.fetch_max(second, Ordering::Relaxed) < second
    }
}

/// Logs a warning. Errors are logged in their debug form, which escapes them: clients and backends choose parts of their text.
fn warn(message: &'static str, error: Option<&(dyn Error + 'static)>) {
    tracing::warn!(error = error.map(chain_text).map(tracing::field::debug), "{message}");
}

/// Logs at `debug`, in the same form as a warning.
fn debug(message: &'static str, error: Option<&(dyn Error + 'static)>) {
    tracing::debug!(error = error.map(chain_text).map(tracing::field::debug), "{message}");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn at_most_one_warning_per_second() {
        let log = FailureLog::new();
        let mut due = Vec::new();
        for _ in 0..5 {
            due.push(log.is_due());
            tokio::time::advance(Duration::from_millis(500)).await;
        }
        assert_eq!(due, [true, false, true, false, true]);
    }
}
