//! Why requests fail, for the log.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use crate::common::error::chain_text;

pub(super) type Cause<'a> = &'a (dyn Error + 'static);

/// Tells the log why requests fail: as a warning once a second at most, else for those who debug, since a backend that is
/// down would fill it with a line per request.
#[derive(Debug)]
pub(super) struct Complaints {
    since: Instant,
    /// The second of the last warning, counted from 1.
    warned: AtomicU64,
}

impl Complaints {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), warned: AtomicU64::new(0) }
    }

    pub(super) fn tell(&self, what: &'static str, error: Option<Cause<'_>>) {
        if self.is_due() { warn(what, error) } else { debug(what, error) }
    }

    fn is_due(&self) -> bool {
        let now = self.since.elapsed().as_secs() + 1;
        self.warned.fetch_max(now, Ordering::Relaxed) < now
    }
}

// A debugged text is escaped: clients and backends may have chosen part of what an error tells.
fn warn(what: &'static str, error: Option<Cause<'_>>) {
    tracing::warn!(error = error.map(chain_text).map(tracing::field::debug), "{what}");
}

fn debug(what: &'static str, error: Option<Cause<'_>>) {
    tracing::debug!(error = error.map(chain_text).map(tracing::field::debug), "{what}");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn there_is_one_warning_a_second_at_most() {
        let complaints = Complaints::new();
        let mut due = Vec::new();
        for _ in 0..5 {
            due.push(complaints.is_due());
            tokio::time::advance(Duration::from_millis(500)).await;
        }
        assert_eq!(due, [true, false, true, false, true]);
    }
}
