//! Bringing the routes up to date with the store.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::{Deployments, meter};
use crate::common::lock::lock;
use crate::routing::{Route, RoutingTable, ServiceName, Split};
use crate::store::{Applied, BrokenSplit, Snapshot, StoreError};

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
        lock(&self.shared.followed)
    }

    /// Loads what changed in the store since the last time and publishes it. [`run`](Self::run) does it every second.
    ///
    /// ```
    /// use tower_canary::{Deployments, Draw};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let deployments = Deployments::in_memory(Draw::Exact);
    /// deployments.refresh().await?;
    /// # Ok::<(), tower_canary::store::StoreError>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the store cannot be read; the routes published last stay.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.shared.refreshing.lock().await;
        self.answered().clear();
        let (known, whole) = {
            let followed = self.followed();
            (followed.revision(), followed.whole)
        };
        // What changed is soon read, everything may take its time.
        let went_back = known > 0 && !self.refresh_changed(known).await?;
        if whole || went_back || known == 0 {
            self.refresh_whole().await?;
        }
        Ok(())
    }

    /// `false` where the store went back, as one that was brought back from a backup.
    async fn refresh_changed(&self, known: u64) -> Result<bool, StoreError> {
        let changed = self.load(known).await?;
        if changed.revision < known {
            return Ok(false);
        }
        self.stored().note_read(changed.revision);
        let mut in_step = true;
        for split in &changed.splits {
            in_step &= self.publish_changed(split);
        }
        let mut followed = self.followed();
        followed.whole |= !in_step;
        followed.note_changed(changed);
        Ok(true)
    }

    async fn load(&self, after: u64) -> Result<Snapshot, StoreError> {
        let loaded = self.shared.store.load(after).await;
        meter::called("load", &loaded);
        loaded
    }

    async fn refresh_whole(&self) -> Result<(), StoreError> {
        let all = self.load(0).await?;
        let Snapshot { revision, broken, .. } = self.publish_whole(all);
        self.followed().note_whole(revision, broken);
        Ok(())
    }

    /// Publishes all of `snapshot`; of what is broken in it, and of what was answered while it was read, the routes that
    /// are served already. Gives back the rest.
    pub(super) fn publish_whole(&self, mut snapshot: Snapshot) -> Snapshot {
        let read =
            std::mem::take(&mut snapshot.splits).into_iter().map(|split| Arc::new(Route::compile(split)));
        let read: Vec<_> = read.collect();
        let answered = self.answered();
        let served = |name: &str| self.shared.handle.route(name);
        let broken = snapshot.broken.iter().filter_map(|broken| served(&broken.service));
        let kept = broken.chain(answered.iter().filter_map(|service| served(service.as_str())));
        self.stored().note_published_whole();
        self.shared.handle.replace(&read.into_iter().chain(kept).collect::<RoutingTable>());
        self.count_published();
        snapshot
    }

    /// Whether what is served then is no later than `split`, or a change that was answered meanwhile.
    fn publish_changed(&self, split: &Split) -> bool {
        let answered = self.answered();
        let served = self.shared.handle.route(split.service().as_str());
        let is_served = |route: &Arc<Route>| route.split() == split;
        // What is read may be older than what was answered, and it may be what another gateway changed after that.
        let is_older = |route: &Arc<Route>| route.split().generation() >= split.generation();
        if served.as_ref().is_some_and(is_served)
            || (answered.contains(split.service()) && served.as_ref().is_some_and(is_older))
        {
            return true;
        }
        self.count_published();
        self.stored().note_published(split.service());
        self.shared.handle.publish(Route::compile(split.clone()))
    }

    /// Publishes what an answer is about to say; `false` where something later is served.
    pub(super) fn publish_answered(&self, Applied { after: split, revision, .. }: &Applied) -> bool {
        let mut answered = self.answered();
        self.stored().note_answered(split.service(), *revision);
        answered.insert(split.service().clone());
        self.count_published();
        self.shared.handle.publish(Route::compile(split.clone()))
    }

    fn answered(&self) -> MutexGuard<'_, BTreeSet<ServiceName>> {
        lock(&self.shared.answered)
    }

    fn count_published(&self) {
        self.shared.published.fetch_add(1, Ordering::Relaxed);
    }
}
