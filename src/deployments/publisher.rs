//! Publishes routes and records each publication.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Instant, SystemTime};

use super::progress::{Freshness, Progress, WholeLoad};
use crate::common::lock::lock;
use crate::handle::RoutingHandle;
use crate::routing::{Route, RoutingTable, ServiceName, Split};
use crate::store::{Applied, BrokenSplit, LastGood, Snapshot};

/// The only caller of [`RoutingHandle::publish`] and [`RoutingHandle::replace`], so that [`Progress`] and the handle
/// always agree.
///
/// Lock order: `progress`, then the publication lock of the handle, then the lock on the retired routes of one service.
/// `progress` is held from the record to the end of the publication. Therefore a thread that has seen a route and then
/// locks `progress` finds the record of that route.
#[derive(Debug)]
pub(super) struct Publisher {
    handle: RoutingHandle,
    progress: Mutex<Progress>,
}

impl Publisher {
    pub(super) fn new(handle: RoutingHandle) -> Self {
        Self { handle, progress: Mutex::new(Progress::new(now())) }
    }

    /// Returns the handle to read from. Only this type publishes to it.
    pub(super) const fn handle(&self) -> &RoutingHandle {
        &self.handle
    }

    /// Begins a load of the changes after the returned revision.
    pub(super) fn load_started(&self) -> u64 {
        self.progress().load_started()
    }

    /// Begins a load of all splits, if one is due.
    pub(super) fn whole_load_due(&self) -> Option<WholeLoad> {
        self.progress().whole_load_due(now())
    }

    /// Requires the next load to be of all splits.
    pub(super) fn require_whole_load(&self) {
        self.progress().require_whole_load();
    }

    /// Publishes the splits of a load of changes, one by one.
    pub(super) fn publish_changes(&self, changes: &Snapshot) {
        if !self.progress().snapshot_read(changes.revision) {
            // The store went back to an earlier revision. The next load is of all splits.
            return;
        }
        for split in &changes.splits {
            self.publish_changed(split);
        }
        log_broken(&changes.broken);
        self.progress().changes_loaded(changes, now());
    }

    fn publish_changed(&self, split: &Split) {
        let mut progress = self.progress();
        let served = self.handle.route(split.service().as_str());
        if !progress.supersedes(split, served.as_ref().map(|route| route.split())) {
            return;
        }
        // Recorded first: see "The revision of the change is not known" in `progress`.
        progress.published(split.service());
        if !self.handle.publish(Route::compile(split.clone())) {
            // A later generation is served, so the store may be another one than before.
            progress.require_whole_load();
        }
    }

    /// Publishes all splits of a load in place of all that is served.
    pub(super) fn publish_whole(&self, load: &WholeLoad, snapshot: Snapshot) {
        log_broken(&snapshot.broken);
        let Snapshot { revision, splits, broken } = snapshot;
        let routes = compile(splits);
        let mut progress = self.progress();
        self.replace(&mut progress, routes, &broken);
        progress.whole_loaded(load, revision, broken, now());
    }

    /// Publishes the routes of a cache.
    pub(super) fn publish_cached(&self, LastGood { snapshot, at }: LastGood) {
        let routes = compile(snapshot.splits);
        let mut progress = self.progress();
        self.replace(&mut progress, routes, &snapshot.broken);
        progress.cache_loaded(snapshot.revision, at.elapsed().unwrap_or_default(), now());
    }

    /// Replaces all routes by `routes`. Services whose split is `broken`, or was changed here during the load, keep the
    /// route that is served.
    fn replace(&self, progress: &mut Progress, routes: Vec<Arc<Route>>, broken: &[BrokenSplit]) {
        let broken = broken.iter().map(|broken| broken.service.as_str());
        let applied = progress.applied_during_load().map(ServiceName::as_str);
        let carried_over = broken.chain(applied).filter_map(|service| self.handle.route(service));
        let table = routes.into_iter().chain(carried_over).collect::<RoutingTable>();
        progress.published_whole();
        self.handle.replace(&table);
    }

    /// Publishes the split of a change that was applied here. Returns `false` if a later generation is served.
    #[must_use = "false: the store has to be read"]
    pub(super) fn publish_applied(&self, applied: &Applied) -> bool {
        let mut progress = self.progress();
        progress.applied(applied.after.service());
        let is_published = self.handle.publish(Route::compile(applied.after.clone()));
        if is_published {
            progress.change_published(applied.after.service(), applied.revision);
        }
        is_published
    }

    /// Returns a revision by which the served split of `service` was stored, or `None` if no such revision is known yet.
    pub(super) fn served_revision(&self, service: &ServiceName) -> Option<u64> {
        self.progress().served_revision(service)
    }

    /// Returns the revision of the last load.
    pub(super) fn revision(&self) -> u64 {
        self.progress().revision()
    }

    /// Returns how often routes were published.
    pub(super) fn publications(&self) -> u64 {
        self.progress().publications()
    }

    /// Returns the routes that are served now, to be saved for a start without the store.
    pub(super) fn last_good(&self) -> LastGood {
        // The revision comes first: splits may be later than it, never earlier.
        let revision = self.revision();
        let splits = self.handle.table().sorted().iter().map(|route| route.split().clone()).collect();
        LastGood::new(Snapshot::new(revision, splits), SystemTime::now())
    }

    /// Returns how fresh the routes are now.
    pub(super) fn freshness(&self) -> Freshness {
        self.progress().freshness(now())
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }
}

/// Compiles routes before the lock is taken: of many services that takes milliseconds.
fn compile(splits: Vec<Split>) -> Vec<Arc<Route>> {
    splits.into_iter().map(|split| Arc::new(Route::compile(split))).collect()
}

fn log_broken(broken: &[BrokenSplit]) {
    for BrokenSplit { service, reason } in broken {
        tracing::error!(?service, %reason, "a stored split cannot be read; its last good route stays in use");
    }
}

/// Returns the time of the runtime, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
