//! Saves the served routes for a start without the store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::duty::{Duty, Label};
use crate::common::error::BoxError;
use crate::deployments::publisher::Publisher;
use crate::deployments::snapshot_cache::SnapshotCache;

/// The duty as it is logged and listed.
static LABEL: Label = Label {
    name: "save-snapshot",
    failed: "the routes cannot be saved for a start without the store",
    recovered: "the routes are saved again",
};

/// Shortest time between two saves of routes that change all the time.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// The longest time to save a snapshot.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Saves the routes after they changed.
#[derive(Debug)]
pub(in crate::deployments) struct SnapshotSaver {
    cache: Arc<dyn SnapshotCache>,
    publisher: Arc<Publisher>,
    /// Changes after each load. The revision is up to date then, so the saved one is.
    loads: watch::Receiver<()>,
    /// Number of publications at the last attempt to save. 0: there was none.
    attempted: u64,
    /// When the last attempt began. `None`: there was none.
    attempted_at: Option<Instant>,
    /// Number of publications at the last attempt that succeeded. 0: there was none.
    saved: u64,
}

impl SnapshotSaver {
    /// Creates the duty. Each message of `loads` says that the served routes may have changed.
    pub(in crate::deployments) fn new(
        cache: Arc<dyn SnapshotCache>,
        publisher: Arc<Publisher>,
        loads: watch::Receiver<()>,
    ) -> Self {
        Self { cache, publisher, loads, attempted: 0, attempted_at: None, saved: 0 }
    }

    /// Returns whether routes were published after the last attempt, and that is long enough ago.
    fn is_due(&self) -> bool {
        let has_changed = self.publisher.publications() != self.attempted;
        has_changed && self.attempted_at.is_none_or(|at| at.elapsed() >= SAVE_EVERY)
    }
}

#[async_trait]
impl Duty for SnapshotSaver {
    fn label(&self) -> &'static Label {
        &LABEL
    }

    async fn due(&mut self, _: u32) {
        // A failed attempt is not repeated before the next publication: the cache is likely to fail again.
        // Checked after each load, and periodically because a change applied here is published without a load.
        while !self.is_due() {
            tokio::select! {
                () = sleep(SAVE_EVERY) => {}
                Ok(()) = self.loads.changed() => {}
            }
        }
    }

    async fn run(&mut self) -> Result<(), BoxError> {
        self.attempted = self.publisher.publications();
        self.attempted_at = Some(Instant::now());
        self.cache.save(&self.publisher.last_good()).await?;
        self.saved = self.attempted;
        Ok(())
    }

    async fn finish(&mut self) {
        if self.publisher.publications() != self.saved {
            // If this fails, the previous snapshot remains.
            let _ = self.run().await;
        }
    }

    fn time_limit(&self) -> Option<Duration> {
        Some(TIME_LIMIT)
    }
}
