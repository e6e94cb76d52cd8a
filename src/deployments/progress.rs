//! Which state of the store this process serves. Pure: no I/O and no lock, and times are arguments.
//!
//! # Why "drained" means drained at every gateway
//!
//! The process of an old version may be stopped once no gateway that shares the store sends it requests or waits for one
//! of its responses. Each replica reports two things, in this order: the revision that it serves, and then the versions
//! at weight 0 that have requests left or may get some from pins and overrides. So a report says: "I have followed the
//! store to this revision, and *after that* these versions had requests". If a change at revision *r* set the weight of
//! a version to 0, another gateway is done with the version when its report has revision *r* or later and does not list
//! the version. The cases:
//!
//! - *A request started there before the gateway followed the change.* A request that has read a replaced route counts
//!   as in flight at every version of the service until it is counted at its own. The report with revision *r* is
//!   composed after the new route was published, so it lists the version.
//! - *The report is older than the change.* It has a lower revision and proves nothing.
//! - *The revision of the change is not known.* A change applied here has its revision in the response of the store. A
//!   split that was loaded comes with the revision that the store had *before* the split was read, so the split may be
//!   later. Its revision is unknown, and every other gateway counts as behind, until the store is read once more: that
//!   revision is no earlier than the split ([`Progress::snapshot_read`]). [`Progress::publishing_loaded`] is called before
//!   publication, under the same lock, and [`Progress::served_revision`] after the counters of this gateway were read.
//! - *The revision that is reported.* It is the one of the last load, or of the last change made here that follows it without a
//!   gap: every change before is followed, and those made here are published before they are recorded
//!   ([`Progress::own_change_published`]). A change of another process may be in a gap, so nothing behind a gap counts.
//! - *Reports overtake each other.* The earlier report has a lower revision, or it is from a time when the version was
//!   drained already, or it lists versions that are drained by now until it is repeated within 5 seconds.
//! - *A replica cannot read the split.* It serves the previous route, reports all versions that serve as draining, and
//!   thereby blocks.
//! - *A replica starts.* It reports revision 0 before it reads any route.
//! - *A replica has applied later changes.* This gateway follows them before it decides.
//!
//! An instance of a version is drained in the same way, after a change that removed its URL: a report lists each removed
//! URL that has requests left. While the URL is part of the version, the instance is drained with the version. A replica
//! that cannot read the split lists every instance of the previous route. A replica of the release before reports no
//! instances, and blocks.
//!
//! Three kinds of replica are not waited for: one whose report has [expired](crate::store::Replica::EXPIRY), because it
//! is gone or cannot reach the store; one that does not [report](super::Builder::with_replica_name); and one whose
//! [`run`](super::Deployments::run) has ended while it still serves requests, because it withdraws then.
//!
//! While a version is active, pins and overrides may bring it requests at weight 0. A gateway whose layers have one of
//! them lists the version until it is inactive.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::routing::{ServiceName, Split};
use crate::store::{BrokenSplit, Snapshot};

/// Longest time between two loads of all splits. A store may be replaced by another, as in a fail-over, without a
/// connection that fails; a load of the changes alone would not notice.
const WHOLE_LOAD_EVERY: Duration = Duration::from_secs(600);

/// How fresh the published routes are. Returned by [`Deployments::freshness`](super::Deployments::freshness).
///
/// ```
/// use std::time::Duration;
/// use tower_canary::deployments::Freshness;
///
/// /// Decides whether a readiness probe reports `degraded`.
/// fn is_degraded(freshness: &Freshness) -> bool {
///     freshness.from_cache || !freshness.broken.is_empty() || freshness.age > Duration::from_secs(30)
/// }
/// # use tower_canary::{Deployments, Draw};
/// assert!(!is_degraded(&Deployments::in_memory(Draw::Exact).freshness()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Freshness {
    /// Revision of the store that is served: every change up to it is. Single services may be later.
    pub revision: u64,
    /// The latest revision of the store that this process knows of. It is greater than `revision` while a change was made
    /// here and the changes of other processes before it are not loaded yet.
    pub latest: u64,
    /// Time since the store was last read, which is when `revision` was its latest.
    pub age: Duration,
    /// Stored splits that cannot be read. Their last good routes stay in use.
    pub broken: Vec<BrokenSplit>,
    /// Whether the store was not read since the start, so that the routes of the
    /// [cache](super::Builder::with_cache) are served.
    pub from_cache: bool,
}

impl Freshness {
    /// Returns whether the stored split of `service` cannot be read.
    pub(super) fn is_broken(&self, service: &str) -> bool {
        self.broken.iter().any(|broken| broken.service == service)
    }
}

/// Records which state of the store is served, and decides which load comes next.
///
/// Between two method calls the value is consistent, so one lock around it suffices.
#[derive(Debug)]
pub(super) struct Progress {
    /// The state of the last load. Its `age` is the age at `loaded_at`, and its `latest` is not kept up to date.
    loaded: Freshness,
    loaded_at: Instant,
    whole_load: WholeLoadSchedule,
    revisions: ServedRevisions,
    /// Services that were changed here since the current load began. The load may have read an earlier split of them.
    applied: BTreeMap<ServiceName, AppliedHere>,
    /// Revisions of the changes that were made and published here and are later than the last load.
    own: BTreeSet<u64>,
    publications: u64,
    /// The [term](Snapshot::term) of the last publication.
    term: u64,
    /// The latest revision of this term that a load has read. Its splits are published, or are being published.
    covered: u64,
}

/// The last change of a service that was made here.
#[derive(Clone, Copy, Debug)]
struct AppliedHere {
    generation: u64,
    /// `None` until its split is published.
    revision: Option<u64>,
}

/// A load of all splits that is due. Returned to [`Progress::whole_loaded`] when it is done.
#[derive(Debug)]
pub(super) struct WholeLoad {
    requests: u64,
}

/// When all splits have to be loaded.
///
/// Requests are counted, so a request that arrives during a load is not satisfied by that load.
#[derive(Debug)]
struct WholeLoadSchedule {
    requests: u64,
    satisfied: u64,
    due: Instant,
}

/// For each service, the earliest revision of the store that is known to contain its served split.
#[derive(Debug, Default)]
struct ServedRevisions {
    /// Applies to services that the other fields do not name. `None` until a load follows a whole publication.
    others: Option<u64>,
    known: BTreeMap<ServiceName, u64>,
    /// Published from the last load, and perhaps later than its revision.
    unknown: BTreeSet<ServiceName>,
}

impl Progress {
    /// Creates the state before the first load.
    pub(super) const fn new(now: Instant) -> Self {
        let loaded =
            Freshness { revision: 0, latest: 0, age: Duration::ZERO, broken: Vec::new(), from_cache: false };
        Self {
            loaded,
            loaded_at: now,
            whole_load: WholeLoadSchedule { requests: 1, satisfied: 0, due: now },
            revisions: ServedRevisions { others: None, known: BTreeMap::new(), unknown: BTreeSet::new() },
            applied: BTreeMap::new(),
            own: BTreeSet::new(),
            publications: 0,
            term: 0,
            covered: 0,
        }
    }

    /// Returns whether a result of `term` may be published. `false`: another server was followed since. All splits are
    /// loaded after that, and at the start of a later term: the new server may lack changes of the one before.
    #[must_use = "a result of an earlier server must not be published"]
    pub(super) fn admits(&mut self, term: u64) -> bool {
        if term != self.term {
            self.require_whole_load();
        }
        if term > self.term {
            self.term = term;
            // They were changed on an earlier server, so no load of this one is older, and its revisions say nothing here.
            self.applied.clear();
            self.own.clear();
            self.covered = 0;
        }
        term == self.term
    }

    /// Begins a load of the changes after the returned revision.
    pub(super) fn load_started(&mut self) -> u64 {
        self.applied.clear();
        self.loaded.revision
    }

    /// Records that a snapshot at `revision` was read, after everything that was published before.
    ///
    /// Returns `false` if the store went back to an earlier revision, as after a restored backup: then all splits have
    /// to be loaded, and the snapshot must not be published.
    #[must_use = "a store that went back must not be followed split by split"]
    pub(super) fn snapshot_read(&mut self, revision: u64) -> bool {
        if revision < self.loaded.revision {
            self.require_whole_load();
            return false;
        }
        self.revisions.read_at(revision);
        self.covered = self.covered.max(revision);
        true
    }

    /// Returns whether `read`, a split of the current load, should be published in place of `served`.
    pub(super) fn supersedes(&self, read: &Split, served: Option<&Split>) -> bool {
        let is_served = served.map_or_else(|| read.is_removed(), |served| served == read);
        if is_served {
            return false;
        }
        // The store may have returned `read` before it applied the change that is served. A removed service is not served,
        // so its generation is known from the change alone.
        let Some(applied) = self.applied.get(read.service()) else { return true };
        read.generation() > served.map_or(applied.generation, Split::generation)
    }

    /// Returns whether a load has read the change that the store made at `revision`, or a later one of the same service: the
    /// response of the store was late.
    ///
    /// Generations cannot tell this once the service was removed: no route is left to compare with, and the next life of the
    /// service has another salt.
    pub(super) const fn covers(&self, revision: u64) -> bool {
        revision <= self.covered
    }

    /// Returns whether a later change of the same service was applied here since the current load began.
    pub(super) fn is_overtaken(&self, after: &Split) -> bool {
        self.applied.get(after.service()).is_some_and(|applied| applied.generation > after.generation())
    }

    /// Records that a loaded split of `service` is about to be published.
    pub(super) fn publishing_loaded(&mut self, service: &ServiceName) {
        self.publications += 1;
        self.revisions.unknown.insert(service.clone());
    }

    /// Records that all splits of a snapshot are about to be published.
    pub(super) fn publishing_whole(&mut self) {
        self.publications += 1;
        self.revisions = ServedRevisions::default();
    }

    /// Records that a change was applied here, and that its split `after` is about to be published.
    pub(super) fn publishing_applied(&mut self, after: &Split) {
        self.publications += 1;
        let applied = AppliedHere { generation: after.generation(), revision: None };
        self.applied.insert(after.service().clone(), applied);
    }

    /// Records that the split of a change that was made here, at `revision`, was published.
    ///
    /// Not called for a change that changed nothing: its revision is of a change made elsewhere, which may not be followed
    /// yet.
    pub(super) fn own_change_published(&mut self, service: &ServiceName, revision: u64) {
        if let Some(applied) = self.applied.get_mut(service) {
            applied.revision = Some(revision);
        }
        if revision > self.loaded.revision {
            self.own.insert(revision);
        }
    }

    /// Records that the split of a change applied here was published, and was stored by `revision`.
    ///
    /// Not called if a later split is served: the response of the store was late, and the served split has another
    /// revision.
    pub(super) fn change_published(&mut self, service: &ServiceName, revision: u64) {
        // The served split is not the one of the last load any more. A load that is under way may be of an earlier
        // revision, which `ServedRevisions::read_at` must not claim for it.
        self.revisions.unknown.remove(service);
        let known = self.revisions.known.entry(service.clone()).or_default();
        *known = revision.max(*known);
    }

    /// Iterates over the services that were changed here since the current load began.
    pub(super) fn applied_during_load(&self) -> impl Iterator<Item = &ServiceName> {
        self.applied.keys()
    }

    /// Returns whether `service` was changed here since the current load began.
    pub(super) fn is_applied_during_load(&self, service: &ServiceName) -> bool {
        self.applied.contains_key(service)
    }

    /// Records that `changes` were published. A broken split stays broken until it is read again.
    pub(super) fn changes_loaded(&mut self, changes: &Snapshot, now: Instant) {
        self.loaded.broken.retain(|broken| !contains(changes, &broken.service));
        self.loaded.broken.extend_from_slice(&changes.broken);
        self.set_loaded(changes.revision, now);
    }

    /// Records that all splits at `revision` were published, except the `broken` ones.
    pub(super) fn whole_loaded(
        &mut self,
        load: &WholeLoad,
        revision: u64,
        broken: Vec<BrokenSplit>,
        now: Instant,
    ) {
        self.whole_load.satisfied = load.requests;
        self.whole_load.due = now + WHOLE_LOAD_EVERY;
        self.loaded.broken = broken;
        // The store may have gone back: revisions of changes before this load may be of changes that it does not have.
        self.own = self.applied.values().filter_map(|applied| applied.revision).collect();
        self.covered = revision;
        self.set_loaded(revision, now);
    }

    /// Records that routes from a cache were published, which were served at `revision` and `age` ago.
    pub(super) fn cache_loaded(&mut self, revision: u64, age: Duration, now: Instant) {
        self.loaded = Freshness { revision, latest: revision, age, broken: Vec::new(), from_cache: true };
        self.loaded_at = now;
        self.own.clear();
        self.covered = 0;
    }

    /// Records that the store was read up to a revision. Own changes up to it are covered by that.
    fn set_loaded(&mut self, revision: u64, now: Instant) {
        self.loaded.revision = revision;
        self.loaded.age = Duration::ZERO;
        self.loaded.from_cache = false;
        self.loaded_at = now;
        self.own.retain(|own| *own > revision);
    }

    /// Requires a load of all splits: the store may be another one than before.
    pub(super) const fn require_whole_load(&mut self) {
        self.whole_load.requests += 1;
    }

    /// Begins a load of all splits, or returns `None` if none is due.
    pub(super) fn whole_load_due(&self, now: Instant) -> Option<WholeLoad> {
        let WholeLoadSchedule { requests, satisfied, due } = self.whole_load;
        // After revision 0 a load of changes is a load of all splits anyway.
        let is_due = requests > satisfied || now >= due || self.loaded.revision == 0;
        is_due.then_some(WholeLoad { requests })
    }

    /// Returns a revision by which the served split of `service` was stored, or `None` if no such revision is known yet.
    pub(super) fn served_revision(&self, service: &ServiceName) -> Option<u64> {
        self.revisions.get(service)
    }

    /// Returns the revision up to which every change is served: the one of the last load, or of the last change made here
    /// that follows it without a gap. Changes of other processes may be in a gap.
    pub(super) fn revision(&self) -> u64 {
        let following = self.own.iter().zip(self.loaded.revision.saturating_add(1)..);
        let last = following.take_while(|(own, next)| *own == next).last();
        last.map_or(self.loaded.revision, |(own, _)| *own)
    }

    /// Returns the number of publications that have begun.
    pub(super) const fn publications(&self) -> u64 {
        self.publications
    }

    /// Returns the revision that is served and its age at `now`.
    pub(super) fn freshness(&self, now: Instant) -> Freshness {
        let since_load = now.saturating_duration_since(self.loaded_at);
        Freshness {
            revision: self.revision(),
            latest: self.own.last().copied().unwrap_or_default().max(self.loaded.revision),
            age: self.loaded.age.saturating_add(since_load),
            ..self.loaded.clone()
        }
    }
}

impl ServedRevisions {
    /// Records the revision at which a load read the services that were unknown until then.
    fn read_at(&mut self, revision: u64) {
        self.others.get_or_insert(revision);
        for service in std::mem::take(&mut self.unknown) {
            self.known.insert(service, revision);
        }
    }

    /// Returns a revision by which the served split of a service was stored. `None`: none is known yet.
    fn get(&self, service: &ServiceName) -> Option<u64> {
        if self.unknown.contains(service) {
            return None;
        }
        self.known.get(service).copied().or(self.others)
    }
}

/// Returns whether `snapshot` has a split of `service`, readable or broken.
fn contains(snapshot: &Snapshot, service: &str) -> bool {
    snapshot.splits.iter().any(|split| split.service().as_str() == service)
        || snapshot.broken.iter().any(|broken| broken.service == service)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn auth() -> Option<ServiceName> {
        "auth".parse().ok()
    }

    /// Loads everything at `revision`.
    fn load_whole(progress: &mut Progress, revision: u64, now: Instant) {
        if let Some(load) = progress.whole_load_due(now) {
            progress.publishing_whole();
            progress.whole_loaded(&load, revision, Vec::new(), now);
        }
    }

    #[test]
    fn whole_load_is_due_at_the_start_and_after_ten_minutes() {
        let start = Instant::now();
        let mut progress = Progress::new(start);
        load_whole(&mut progress, 3, start);
        assert!(progress.whole_load_due(start + 599 * SECOND).is_none());
        assert!(progress.whole_load_due(start + 600 * SECOND).is_some());
    }

    #[test]
    fn request_during_a_whole_load_outlives_it() {
        let now = Instant::now();
        let mut progress = Progress::new(now);
        let load = progress.whole_load_due(now);
        progress.require_whole_load();
        if let Some(load) = load {
            progress.whole_loaded(&load, 3, Vec::new(), now);
        }
        assert!(progress.whole_load_due(now).is_some());
        load_whole(&mut progress, 3, now);
        assert!(progress.whole_load_due(now).is_none());
    }

    #[test]
    fn store_that_went_back_is_loaded_whole() {
        let now = Instant::now();
        let mut progress = Progress::new(now);
        load_whole(&mut progress, 3, now);
        assert!(!progress.snapshot_read(2));
        assert!(progress.whole_load_due(now).is_some());
    }

    #[test]
    fn broken_split_stays_broken_until_it_is_read() {
        let now = Instant::now();
        let mut progress = Progress::new(now);
        let mut changes = Snapshot::new(1, Vec::new());
        changes.broken.push(BrokenSplit::new("auth", "url"));
        progress.changes_loaded(&changes, now);
        progress.changes_loaded(&Snapshot::new(2, Vec::new()), now);
        assert_eq!(progress.freshness(now).broken, changes.broken);
        changes.broken[0].reason = "weight".into();
        progress.changes_loaded(&changes, now);
        assert_eq!(progress.freshness(now).broken, changes.broken);
    }

    #[test]
    fn age_of_cached_routes_grows_until_the_store_is_read() {
        let now = Instant::now();
        let mut progress = Progress::new(now);
        progress.cache_loaded(7, 60 * SECOND, now);
        let cached = progress.freshness(now + SECOND);
        assert_eq!((cached.revision, cached.age, cached.from_cache), (7, 61 * SECOND, true));
        load_whole(&mut progress, 8, now + SECOND);
        let fresh = progress.freshness(now + 3 * SECOND);
        assert_eq!((fresh.revision, fresh.age, fresh.from_cache), (8, 2 * SECOND, false));
    }

    proptest! {
        /// A split may be later than the revision it was loaded with, so only the next load gives it a revision.
        #[test]
        fn loaded_split_has_no_revision_until_the_next_load(first in 1u64..9, more in 0u64..9) {
            let now = Instant::now();
            let mut progress = Progress::new(now);
            let Some(auth) = auth() else { return Ok(()) };
            load_whole(&mut progress, first, now);
            prop_assert_eq!(progress.served_revision(&auth), None);
            prop_assert!(progress.snapshot_read(first));
            prop_assert_eq!(progress.served_revision(&auth), Some(first));
            progress.publishing_loaded(&auth);
            prop_assert_eq!(progress.served_revision(&auth), None);
            prop_assert!(progress.snapshot_read(first + more));
            prop_assert_eq!(progress.served_revision(&auth), Some(first + more));
        }

        /// A load that began before the change may be of an earlier revision, also if the split before was a loaded one.
        #[test]
        fn applied_split_keeps_its_revision(first in 1u64..9, more in 0u64..9, applied in 0u64..9, loaded: bool) {
            let now = Instant::now();
            let mut progress = Progress::new(now);
            let Some(auth) = auth() else { return Ok(()) };
            load_whole(&mut progress, first, now);
            if loaded {
                progress.publishing_loaded(&auth);
            }
            progress.change_published(&auth, first + applied);
            prop_assert_eq!(progress.served_revision(&auth), Some(first + applied));
            prop_assert!(progress.snapshot_read(first + more));
            prop_assert_eq!(progress.served_revision(&auth), Some(first + applied));
        }

        /// The later of two changes applied here counts, in whichever order the store responds.
        #[test]
        fn latest_applied_revision_counts(revisions in prop::collection::vec(1u64..99, 1..9)) {
            let mut progress = Progress::new(Instant::now());
            let Some(auth) = auth() else { return Ok(()) };
            for revision in &revisions {
                progress.change_published(&auth, *revision);
            }
            prop_assert_eq!(progress.served_revision(&auth), revisions.iter().copied().max());
        }
    }
}
