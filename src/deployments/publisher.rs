//! Publishes routes and records each publication.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use tokio::sync::watch;

use super::clock::now;
use super::progress::{Freshness, Progress, WholeLoad};
use crate::common::lock::lock;
use crate::handle::RoutingHandle;
use crate::routing::{Route, RoutingTable, ServiceName, Split};
use crate::store::{Applied, BrokenSplit, LastGood, Snapshot};

/// The only caller of [`RoutingHandle::publish`], [`RoutingHandle::withdraw`] and [`RoutingHandle::replace`], so that
/// [`Progress`] and the handle always agree.
///
/// Lock order: `progress`, then the publication lock of the handle, then the lock on the retired routes of one service.
/// `progress` is held from the record to the end of the publication. Therefore a thread that has seen a route and then
/// locks `progress` finds the record of that route.
#[derive(Debug)]
pub(super) struct Publisher {
    handle: RoutingHandle,
    progress: Mutex<Progress>,
    published: watch::Sender<()>,
    /// The services with a rollout, by the last load that listed them.
    rolling: watch::Sender<Arc<BTreeSet<ServiceName>>>,
}

impl Publisher {
    /// Creates a publisher to a handle that it alone publishes to.
    pub(super) fn new(handle: RoutingHandle) -> Self {
        Self {
            handle,
            progress: Mutex::new(Progress::new(now())),
            published: watch::Sender::new(()),
            rolling: watch::Sender::new(Arc::default()),
        }
    }

    /// Returns the handle to read from. Only this type publishes to it.
    pub(super) const fn handle(&self) -> &RoutingHandle {
        &self.handle
    }

    /// Returns a receiver that changes after each publication.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.published.subscribe()
    }

    /// Returns a receiver of the services with a rollout.
    #[cfg(feature = "rollout")]
    pub(super) fn rolling(&self) -> watch::Receiver<Arc<BTreeSet<ServiceName>>> {
        self.rolling.subscribe()
    }

    /// Records the services with a rollout that a load has listed. `None`: it has no list, and the last one stays.
    /// Receivers wake up if the list differs.
    fn record_rollouts(&self, loaded: Option<&[ServiceName]>) {
        let Some(services) = loaded else { return };
        self.rolling.send_if_modified(|rolling| {
            let changed = !rolling.iter().eq(services);
            if changed {
                *rolling = Arc::new(services.iter().cloned().collect());
            }
            changed
        });
    }

    /// Begins a load of the changes after the returned revision.
    pub(super) fn load_started(&self) -> u64 {
        self.progress().load_started()
    }

    /// Begins a load of all splits, or returns `None` if none is due.
    pub(super) fn whole_load_due(&self) -> Option<WholeLoad> {
        self.progress().whole_load_due(now())
    }

    /// Requires the next load to be of all splits.
    pub(super) fn require_whole_load(&self) {
        self.progress().require_whole_load();
    }

    /// Publishes the splits of a load of changes, one by one. Nothing is published if the store went back, or another
    /// server was followed since: the next load is of all splits then.
    pub(super) fn publish_changes(&self, changes: &Snapshot) {
        if !self.begin_publication(changes) {
            return;
        }
        for split in &changes.splits {
            self.publish_changed(split, changes.term);
        }
        log_broken(&changes.broken);
        let mut progress = self.progress();
        if progress.admits(changes.term) {
            progress.changes_loaded(changes, now());
            self.record_rollouts(changes.rollouts.as_deref());
        }
    }

    /// Returns whether the changes may be published. If not, the next load is of all splits: the store went back to an
    /// earlier revision, or the changes are of an earlier server.
    fn begin_publication(&self, changes: &Snapshot) -> bool {
        let mut progress = self.progress();
        progress.admits(changes.term) && progress.snapshot_read(changes.revision)
    }

    /// Publishes one split of a load, unless a later one is served or a later server was seen. The lock is
    /// held from the decision to the publication.
    fn publish_changed(&self, split: &Split, term: u64) {
        let mut progress = self.progress();
        // Asked again for each split: a change of a later server may have been published in between.
        if !progress.admits(term) {
            return;
        }
        let served = self.handle.route(split.service().as_str());
        if !progress.supersedes(split, served.as_ref().map(|route| route.split())) {
            return;
        }
        // Recorded first: see "The revision of the change is not known" in `progress`.
        progress.publishing_loaded(split.service());
        if !self.publish(split) {
            // A later generation is served, so the store may be another one than before.
            progress.require_whole_load();
        }
    }

    /// Publishes `split`, or withdraws the route of a removed service. Returns `false` if a later generation is served.
    fn publish(&self, split: &Split) -> bool {
        let is_published = match split.is_removed() {
            true => self.handle.withdraw(split),
            false => self.handle.publish(Route::compile(split.clone())),
        };
        self.published.send_replace(());
        is_published
    }

    /// Publishes all splits of a load in place of all that is served. Nothing is published if another server was
    /// followed since: the load is repeated then.
    pub(super) fn publish_whole(&self, load: &WholeLoad, snapshot: Snapshot) {
        log_broken(&snapshot.broken);
        let Snapshot { revision, splits, broken, term, rollouts } = snapshot;
        let loaded = LoadedSplits::compile(splits);
        let mut progress = self.progress();
        if !progress.admits(term) {
            return;
        }
        self.replace(&mut progress, loaded, &broken);
        progress.whole_loaded(load, revision, broken, now());
        self.record_rollouts(rollouts.as_deref());
    }

    /// Publishes the routes of a cache.
    pub(super) fn publish_cached(&self, LastGood { snapshot, at }: LastGood) {
        let loaded = LoadedSplits::compile(snapshot.splits);
        let mut progress = self.progress();
        self.replace(&mut progress, loaded, &snapshot.broken);
        progress.cache_loaded(snapshot.revision, at.elapsed().unwrap_or_default(), now());
    }

    /// Replaces all routes by the `loaded` ones. Services whose split is `broken` keep the route that is served, and so do
    /// those that were changed here during the load, unless the load has read a later change.
    fn replace(&self, progress: &mut Progress, loaded: LoadedSplits, broken: &[BrokenSplit]) {
        let later = self.later_than_applied(progress, &loaded);
        let broken = broken.iter().map(|broken| broken.service.as_str());
        let applied = progress.applied_during_load().filter(|service| !later.contains(*service));
        let carried_over = broken.chain(applied.map(ServiceName::as_str));
        let carried_over = carried_over.filter_map(|service| self.handle.route(service));
        // A service that was removed here during the load has no route to carry over, and must not return.
        let read = loaded.routes.into_iter().filter(|route| {
            !progress.is_applied_during_load(route.service()) || later.contains(route.service())
        });
        let table = read.chain(carried_over).collect::<RoutingTable>();
        progress.publishing_whole();
        self.handle.replace(&table);
        self.published.send_replace(());
    }

    /// Returns the services that were changed here during the load and of which the load has read a later change: the
    /// response of the store was late.
    fn later_than_applied(&self, progress: &Progress, loaded: &LoadedSplits) -> BTreeSet<ServiceName> {
        let applied = loaded.splits().filter(|split| progress.is_applied_during_load(split.service()));
        let later = applied.filter(|split| {
            let served = self.handle.route(split.service().as_str());
            progress.supersedes(split, served.as_ref().map(|route| route.split()))
        });
        later.map(|split| split.service().clone()).collect()
    }

    /// Publishes the split of a change that was applied here. Returns `false` if a later change of the service is served or
    /// being published, or the routes of a later server are.
    #[must_use = "false: the store has to be read"]
    pub(super) fn publish_applied(&self, applied: &Applied) -> bool {
        let mut progress = self.progress();
        if !progress.admits(applied.term) {
            return false;
        }
        let after = &applied.after;
        let is_change = applied.before.generation() != after.generation();
        if progress.covers(applied.revision) {
            // Without a change there is nothing to wait for: the load may be the very one that the sender knows.
            return !is_change;
        }
        if progress.is_overtaken(after) {
            return false;
        }
        progress.publishing_applied(after);
        if !self.publish(after) {
            return false;
        }
        progress.change_published(after.service(), applied.revision);
        if is_change {
            progress.own_change_published(after.service(), applied.revision);
        }
        true
    }

    /// Returns a revision by which the served split of `service` was stored, or `None` if no such revision is known yet.
    pub(super) fn served_revision(&self, service: &ServiceName) -> Option<u64> {
        self.progress().served_revision(service)
    }

    /// Returns the revision up to which every change is served.
    pub(super) fn revision(&self) -> u64 {
        self.progress().revision()
    }

    /// Returns the number of publications. It differs after each, so the routes may have changed if it does.
    pub(super) fn publications(&self) -> u64 {
        self.progress().publications()
    }

    /// Returns the routes that are served now, to be saved for a start without the store. They are as old as the last
    /// read of the store, so routes of a cache do not become younger when they are saved again.
    pub(super) fn last_good(&self) -> LastGood {
        // The revision comes first: splits may be later than it, never earlier.
        let Freshness { revision, age, .. } = self.freshness();
        let splits = self.handle.table().sorted().iter().map(|route| route.split().clone()).collect();
        let read_at = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        LastGood::new(Snapshot::new(revision, splits), read_at)
    }

    /// Returns the revision that is served and its age now.
    pub(super) fn freshness(&self) -> Freshness {
        self.progress().freshness(now())
    }

    /// Locks the record of the splits that are served.
    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }
}

/// The splits of a load of all services, with the routes of those that are served.
struct LoadedSplits {
    routes: Vec<Arc<Route>>,
    removed: Vec<Split>,
}

impl LoadedSplits {
    /// Compiles the routes, before the lock is taken: of many services that takes milliseconds.
    fn compile(splits: Vec<Split>) -> Self {
        let (removed, served): (Vec<_>, Vec<_>) = splits.into_iter().partition(Split::is_removed);
        let routes = served.into_iter().map(|split| Arc::new(Route::compile(split))).collect();
        Self { routes, removed }
    }

    /// Iterates over all splits, the removed services last.
    fn splits(&self) -> impl Iterator<Item = &Split> {
        self.routes.iter().map(|route| route.split()).chain(&self.removed)
    }
}

/// Logs the services that a load could not read, with the row of each.
fn log_broken(broken: &[BrokenSplit]) {
    for BrokenSplit { service, reason } in broken {
        tracing::error!(?service, %reason, "a stored split cannot be read; its last good route stays in use");
    }
}
