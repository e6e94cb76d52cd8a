//! Bringing the routes up to date with the store.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Deployments;
use crate::routing::{Route, RoutingTable, Split};
use crate::store::{BrokenSplit, Snapshot, StoreError};

/// How fresh the published routes are.
///
/// ```
/// use tower_canary::{Deployments, Draw};
///
/// let freshness = Deployments::in_memory(Draw::Exact).freshness();
/// assert_eq!(freshness.revision, 0);
/// assert!(freshness.broken.is_empty() && !freshness.from_cache);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Freshness {
    /// The store's revision that is served, or something later.
    pub revision: u64,
    /// How long ago that was known to be what the store has.
    pub age: Duration,
    /// Stored splits that cannot be read: their last good routes are served.
    pub broken: Vec<BrokenSplit>,
    /// Whether the store was not read since the start, so that the routes of the
    /// [cache](super::Builder::with_cache) are served.
    pub from_cache: bool,
}

/// What was seen of the store.
#[derive(Debug)]
pub(super) struct Followed {
    served: Freshness,
    at: Instant,
    /// Whether the next load must be of everything: at the start, and when the store may be another than before.
    whole: bool,
}

impl Followed {
    pub(super) fn new() -> Self {
        let served = Freshness { revision: 0, age: Duration::ZERO, broken: Vec::new(), from_cache: false };
        Self { served, at: Instant::now(), whole: true }
    }

    pub(super) fn freshness(&self) -> Freshness {
        Freshness { age: self.served.age.saturating_add(self.at.elapsed()), ..self.served.clone() }
    }

    pub(super) fn revision(&self) -> u64 {
        self.served.revision
    }

    pub(super) fn load_whole(&mut self) {
        self.whole = true;
    }

    /// Notes `snapshot`, which holds what changed since the last one; what is broken stays so until it is read.
    fn note_changed(&mut self, snapshot: Snapshot) {
        let again = |broken: &BrokenSplit| {
            snapshot.splits.iter().any(|split| split.service().as_str() == broken.service)
                || snapshot.broken.iter().any(|other| other.service == broken.service)
        };
        self.served.broken.retain(|broken| !again(broken));
        self.note(snapshot.revision, snapshot.broken);
    }

    /// Notes that everything was loaded.
    fn note_whole(&mut self, revision: u64, broken: Vec<BrokenSplit>) {
        self.served.broken.clear();
        self.whole = false;
        self.note(revision, broken);
    }

    fn note(&mut self, revision: u64, broken: Vec<BrokenSplit>) {
        for broken in broken {
            tracing::error!(service = ?broken.service, reason = %broken.reason, "stored split cannot be read; its last good route stays");
            self.served.broken.push(broken);
        }
        self.served = Freshness {
            revision,
            age: Duration::ZERO,
            from_cache: false,
            broken: std::mem::take(&mut self.served.broken),
        };
        self.at = Instant::now();
    }

    /// Notes that what was served at `revision`, `age` ago, is served again.
    pub(super) fn note_cached(&mut self, revision: u64, age: Duration) {
        self.served = Freshness { revision, age, broken: Vec::new(), from_cache: true };
        self.at = Instant::now();
    }
}

impl Deployments {
    pub(super) fn followed(&self) -> MutexGuard<'_, Followed> {
        self.shared.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads what changed in the store since the last time and publishes it. [`run`](Self::run) does it every second.
    ///
    /// # Errors
    ///
    /// When the store cannot be read; the routes published last stay.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.shared.refreshing.lock().await;
        match self.load_changed().await? {
            Some(changed) => {
                changed.splits.iter().for_each(|split| self.publish_changed(split));
                self.followed().note_changed(changed);
            }
            None => {
                let _alone = self.shared.replacing.write().await;
                let all = self.shared.store.load(0).await?;
                let Snapshot { revision, broken, .. } = self.publish_whole(all);
                self.followed().note_whole(revision, broken);
            }
        }
        Ok(())
    }

    /// What changed since the last time; `None` where everything is to be loaded, as from a store that went back because
    /// it was brought back from a backup.
    async fn load_changed(&self) -> Result<Option<Snapshot>, StoreError> {
        let (known, whole) = {
            let followed = self.followed();
            (followed.revision(), followed.whole)
        };
        if whole || known == 0 {
            return Ok(None);
        }
        Ok(Some(self.shared.store.load(known).await?).filter(|changed| changed.revision >= known))
    }

    /// Publishes all of `snapshot`, and of what is broken in it the routes that are served already. Gives back the rest.
    pub(super) fn publish_whole(&self, mut snapshot: Snapshot) -> Snapshot {
        let served = |broken: &BrokenSplit| self.shared.handle.route(&broken.service);
        let kept = snapshot.broken.iter().filter_map(served);
        let read = std::mem::take(&mut snapshot.splits).into_iter().map(|split| Route::compile(split).into());
        self.shared.handle.replace(&read.chain(kept).collect::<RoutingTable>());
        snapshot
    }

    fn publish_changed(&self, split: &Split) {
        let served = self.shared.handle.route(split.service().as_str());
        if served.is_none_or(|route| route.split() != split) {
            // A change answered here in the meantime may have published a later generation.
            let _ = self.shared.handle.publish(Route::compile(split.clone()));
        }
    }
}
