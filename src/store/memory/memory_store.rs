//! A store in memory.
//!
//! One mutex holds everything. No call waits while it is locked, so a call cannot be dropped halfway.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::clock::Clock;
use super::rollout_table::RolloutTable;
use crate::common::lock::lock;
use crate::common::time::now;
use crate::routing::{ServiceName, Split};
use crate::store::applied::Applied;
use crate::store::change_request::ChangeRequest;
use crate::store::error::StoreError;
use crate::store::history::HistoryEntry;
use crate::store::refusals::{Refusal, RefusalLog};
use crate::store::replicas::{Replica, ReplicaFigures, ReplicaRegistry, Report};
use crate::store::rollouts::RolloutStore;
use crate::store::routes::RouteStore;
use crate::store::snapshot::Snapshot;

/// The default of [`MemoryStore::with_history_limit`].
const HISTORY_LIMIT: u32 = 1_000;

/// Stores splits in memory, with the last 1,000 changes of each. For tests, and for applications that configure routes
/// in code.
///
/// See [`RouteStore`] for an example.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    /// How many changes the history of a service keeps.
    pub(super) history_limit: u32,
    /// The clock of rollouts.
    pub(super) clock: Clock,
}

/// Everything that the store holds.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The number of changes that the store has seen.
    pub(super) revision: u64,
    pub(super) services: BTreeMap<ServiceName, Entry>,
    /// Latest last.
    refusals: VecDeque<Refusal>,
    /// The number of refusals that were ever recorded.
    refused: u64,
    /// The reports by the id of the replica.
    replicas: BTreeMap<String, TimedReport>,
    pub(super) rollouts: RolloutTable,
}

/// A service.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) split: Split,
    /// The revision of its last change.
    pub(super) revision: u64,
    /// Latest last.
    history: VecDeque<HistoryEntry>,
}

/// The last report of a replica, and when it was made.
#[derive(Clone, Debug)]
struct TimedReport {
    report: Report,
    at: Instant,
    /// Time after `at` at which it counts as gone.
    expiry: Duration,
}

impl TimedReport {
    /// Returns whether the replica counts as gone: the time `expiry` has passed since its report.
    fn is_expired(&self) -> bool {
        self.at.elapsed() >= self.expiry
    }

    /// Returns the replica that made the report, with the time since then.
    fn replica(&self) -> Replica {
        Replica::new(self.report.clone(), self.at.elapsed())
    }

    /// Returns the figures of the report, if it has some.
    fn figures(&self) -> Option<ReplicaFigures> {
        let Report { id, name, figures, .. } = &self.report;
        figures.as_ref().map(|figures| ReplicaFigures::new(id, name, figures))
    }
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Mutex::default(), history_limit: HISTORY_LIMIT, clock: Clock::new() }
    }

    /// Limits the history to the last `changes` of each service. The default is 1,000.
    ///
    /// ```
    /// use tower_canary::store::MemoryStore;
    ///
    /// let store = MemoryStore::new().with_history_limit(10);
    /// ```
    #[must_use]
    pub fn with_history_limit(self, changes: u32) -> Self {
        Self { history_limit: changes, ..self }
    }

    /// Locks everything that the store has, and returns it.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A change is made on a copy and stored as a whole, so the state is valid even after a panic of another thread.
        lock(&self.state)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl RouteStore for MemoryStore {
    async fn load(&self, after: u64) -> Result<Snapshot, StoreError> {
        let state = self.state();
        let changed = state.services.values().filter(|entry| entry.revision > after);
        let splits = changed.map(|entry| entry.split.clone()).collect();
        Ok(Snapshot::new(state.revision, splits).with_rollouts(state.rollouts.services()))
    }

    async fn commit(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError> {
        let mut state = self.state();
        let before = match state.services.get(service) {
            Some(entry) => entry.split.clone(),
            None => request.first_split(service)?,
        };
        let at = now();
        let after = request.decide(&before, at)?;
        if after.generation() != before.generation() {
            let entry = HistoryEntry::new(request, &before, &after, at);
            state.record(entry, &after, self.history_limit);
        }
        Ok(Applied::new(before, after, state.revision))
    }

    async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let state = self.state();
        let entry = state.services.get(service).ok_or_else(|| StoreError::UnknownService(service.clone()))?;
        let latest_first = entry.history.iter().rev();
        let page = latest_first.filter(|change| before.is_none_or(|before| change.generation < before));
        Ok(page.take(limit as usize).cloned().collect())
    }

    fn refusal_log(&self) -> Option<&dyn RefusalLog> {
        Some(self)
    }

    fn replica_registry(&self) -> Option<&dyn ReplicaRegistry> {
        Some(self)
    }

    fn rollout_store(&self) -> Option<&dyn RolloutStore> {
        Some(self)
    }
}

#[async_trait]
impl RefusalLog for MemoryStore {
    async fn record_refusal(&self, refusal: &Refusal) -> Result<(), StoreError> {
        let mut state = self.state();
        state.refused += 1;
        let refusal = refusal.clone().with_id(state.refused);
        state.refusals.push_back(refusal);
        keep_last(&mut state.refusals, Refusal::RETAINED);
        Ok(())
    }

    async fn refusals(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Refusal>, StoreError> {
        let state = self.state();
        let latest_first = state.refusals.iter().rev();
        let page = latest_first
            .filter(|refusal| refusal.service == *service)
            .filter(|refusal| before.is_none_or(|before| refusal.id < before));
        Ok(page.take(limit as usize).cloned().collect())
    }
}

#[async_trait]
impl ReplicaRegistry for MemoryStore {
    async fn report(&self, report: &Report) -> Result<(), StoreError> {
        let mut state = self.state();
        if report.starts {
            state.succeed(report);
        }
        state.replicas.retain(|_, replica| !replica.is_expired());
        let timed = TimedReport { report: report.clone(), at: Instant::now(), expiry: Replica::EXPIRY };
        state.replicas.insert(report.id.clone(), timed);
        Ok(())
    }

    async fn withdraw(&self, id: &str) -> Result<(), StoreError> {
        self.state().replicas.remove(id);
        Ok(())
    }

    async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        let state = self.state();
        let mut replicas: Vec<_> = state.living().map(TimedReport::replica).collect();
        replicas.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(replicas)
    }

    async fn figures(&self) -> Result<Vec<ReplicaFigures>, StoreError> {
        let state = self.state();
        let with_figures = state.living().filter_map(TimedReport::figures);
        Ok(with_figures.collect())
    }
}

impl State {
    /// Iterates over the replicas that have not expired.
    fn living(&self) -> impl Iterator<Item = &TimedReport> {
        self.replicas.values().filter(|timed| !timed.is_expired())
    }

    /// Lets earlier processes with the name of `successor` expire after [`Replica::SUCCESSION`], unless they report
    /// again.
    fn succeed(&mut self, successor: &Report) {
        for earlier in self.replicas.values_mut() {
            if earlier.report.name == successor.name && earlier.report.id != successor.id {
                let soon = earlier.at.elapsed() + Replica::SUCCESSION;
                earlier.expiry = earlier.expiry.min(soon);
            }
        }
    }

    /// Stores the split `after` under the next revision, with `change` as the last of at most `history_limit` entries
    /// of its history. Creates the service if it is new.
    pub(super) fn record(&mut self, change: HistoryEntry, after: &Split, history_limit: u32) {
        self.revision += 1;
        let entry = self.services.entry(after.service().clone()).or_insert_with(|| Entry::new(after.clone()));
        entry.split = after.clone();
        entry.revision = self.revision;
        entry.history.push_back(change);
        keep_last(&mut entry.history, history_limit as usize);
    }
}

impl Entry {
    const fn new(split: Split) -> Self {
        Self { split, revision: 0, history: VecDeque::new() }
    }
}

/// Drops the first elements until `count` are left.
fn keep_last<T>(all: &mut VecDeque<T>, count: usize) {
    all.drain(..all.len().saturating_sub(count));
}
