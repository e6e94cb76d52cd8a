//! Following the store.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Deployments;
use crate::routing::{Route, RoutingTable, Split};
use crate::store::{BrokenSplit, Snapshot, StoreError};

/// The longest pause between two tries while the store is down: fresh again within 5 seconds of its return.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// A store is not asked more often than this, nor less often than the next.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);
const LONGEST_PERIOD: Duration = Duration::from_hours(24);

/// How fresh the published routes are.
///
/// ```
/// use tower_canary::{Deployments, Draw};
///
/// let freshness = Deployments::in_memory(Draw::Exact).freshness();
/// assert_eq!(freshness.revision, 0);
/// assert!(freshness.broken.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Freshness {
    /// The store's revision at the last refresh that succeeded.
    pub revision: u64,
    /// How long ago that was.
    pub age: Duration,
    /// Stored splits that cannot be read: their last good routes are served.
    pub broken: Vec<BrokenSplit>,
}

/// What was seen of the store.
#[derive(Debug)]
pub(super) struct Followed {
    /// `None` until the store was read.
    revision: Option<u64>,
    at: Instant,
    broken: Vec<BrokenSplit>,
}

impl Followed {
    pub(super) fn new() -> Self {
        Self { revision: None, at: Instant::now(), broken: Vec::new() }
    }

    pub(super) fn freshness(&self) -> Freshness {
        Freshness {
            revision: self.revision.unwrap_or(0),
            age: self.at.elapsed(),
            broken: self.broken.clone(),
        }
    }

    /// Notes `snapshot`, which holds what changed since the last one; what is broken stays so until it is read.
    fn note(&mut self, snapshot: Snapshot, whole: bool) {
        let mended = |broken: &BrokenSplit| {
            let again = |name: &str| name == broken.service;
            whole
                || snapshot.splits.iter().any(|split| again(split.service().as_str()))
                || snapshot.broken.iter().any(|other| again(&other.service))
        };
        self.broken.retain(|broken| !mended(broken));
        for broken in snapshot.broken {
            tracing::error!(service = ?broken.service, reason = %broken.reason, "stored split cannot be read; its last good route stays");
            self.broken.push(broken);
        }
        self.revision = Some(snapshot.revision);
        self.at = Instant::now();
    }
}

impl Deployments {
    pub(super) fn followed(&self) -> MutexGuard<'_, Followed> {
        self.shared.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn refresh_once(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.shared.refreshing.lock().await;
        let known = self.followed().revision;
        let changed = match known {
            Some(known) => {
                Some(self.shared.store.load(known).await?).filter(|changed| changed.revision >= known)
            }
            None => None,
        };
        if let Some(changed) = changed {
            for split in &changed.splits {
                self.follow_split(split);
            }
            self.followed().note(changed, false);
        } else {
            // The start, or a store that went back, as one brought back from a backup.
            let _alone = self.shared.replacing.write().await;
            let all = self.shared.store.load(0).await?;
            self.replace(&all);
            self.followed().note(all, true);
        }
        Ok(())
    }

    /// Publishes all of `snapshot`, and of what is broken in it the routes that are served already.
    fn replace(&self, snapshot: &Snapshot) {
        let served = |broken: &BrokenSplit| self.shared.handle.route(&broken.service);
        let kept = snapshot.broken.iter().filter_map(served);
        let read = snapshot.splits.iter().map(|split| Route::compile(split.clone()).into());
        self.shared.handle.replace(&read.chain(kept).collect::<RoutingTable>());
    }

    fn follow_split(&self, split: &Split) {
        let served = self.shared.handle.route(split.service().as_str());
        if served.is_none_or(|route| route.split() != split) {
            // A change answered here in the meantime may have published a later generation.
            let _ = self.shared.handle.publish(Route::compile(split.clone()));
        }
    }

    pub(super) async fn follow(&self, period: Duration) {
        let mut failures = 0_u32;
        loop {
            tokio::select! {
                () = sleep(jittered(pause(period, failures))) => {}
                () = self.shared.unpublished.notified() => {}
            }
            failures = match self.refresh().await {
                Ok(()) => back(failures),
                Err(error) => down(failures, &error),
            };
        }
    }
}

/// The count of failures in a row after a success.
fn back(failures: u32) -> u32 {
    if failures > 0 {
        tracing::info!(failures, "the store is back; routes are fresh");
    }
    0
}

/// The count of failures in a row after another one. Only the first is worth a line.
fn down(failures: u32, error: &StoreError) -> u32 {
    if failures == 0 {
        let error: &dyn std::error::Error = error;
        tracing::warn!(error, "the store cannot be read; the last good routes stay");
    }
    failures.saturating_add(1)
}

/// Doubles with every failure, up to a limit.
fn pause(period: Duration, failures: u32) -> Duration {
    let period = period.clamp(SHORTEST_PERIOD, LONGEST_PERIOD);
    period.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE.max(period))
}

fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.8..1.2))
}
