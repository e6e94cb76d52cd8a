//! A store in memory.
//!
//! One mutex holds everything. No call waits while it is locked, so a call cannot be dropped halfway.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use tokio::time::Instant;

use super::change_request::ChangeRequest;
use super::error::StoreError;
use super::history::HistoryEntry;
use super::refusals::{Refusal, RefusalLog};
use super::replicas::{Replica, ReplicaRegistry, Report};
use super::routes::{Applied, RouteStore};
use super::snapshot::Snapshot;
use crate::common::lock::lock;
use crate::common::time::now;
use crate::routing::{ServiceName, Split};

/// The default of [`MemoryStore::with_history_limit`].
const HISTORY_LIMIT: u32 = 1_000;

/// Stores splits in memory, with the last 1,000 changes of each. For tests, and for applications that configure routes
/// in code.
///
/// See [`RouteStore`] for an example.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    history_limit: u32,
}

/// Everything that the store holds.
#[derive(Debug, Default)]
struct State {
    revision: u64,
    services: BTreeMap<ServiceName, Entry>,
    /// Latest last.
    refusals: VecDeque<Refusal>,
    /// The reports by the id of the replica.
    replicas: BTreeMap<String, TimedReport>,
}

/// A service.
#[derive(Clone, Debug)]
struct Entry {
    split: Split,
    /// The revision of its last change.
    revision: u64,
    /// Latest last.
    history: VecDeque<HistoryEntry>,
}

/// The last report of a replica, and when it was made.
#[derive(Clone, Debug)]
struct TimedReport {
    report: Report,
    at: Instant,
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Mutex::default(), history_limit: HISTORY_LIMIT }
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

    fn state(&self) -> MutexGuard<'_, State> {
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
        Ok(Snapshot::new(state.revision, splits))
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
}

#[async_trait]
impl RefusalLog for MemoryStore {
    async fn record_refusal(&self, refusal: &Refusal) -> Result<(), StoreError> {
        let mut state = self.state();
        state.refusals.push_back(refusal.clone());
        keep_last(&mut state.refusals, Refusal::RETAINED);
        Ok(())
    }

    async fn refusals(&self, service: &ServiceName, limit: u32) -> Result<Vec<Refusal>, StoreError> {
        let state = self.state();
        let latest_first = state.refusals.iter().rev();
        let by_service = latest_first.filter(|refusal| refusal.service == *service);
        Ok(by_service.take(limit as usize).cloned().collect())
    }
}

#[async_trait]
impl ReplicaRegistry for MemoryStore {
    async fn report(&self, report: &Report) -> Result<(), StoreError> {
        let mut state = self.state();
        state.replicas.retain(|_, replica| replica.at.elapsed() < Replica::EXPIRY);
        let timed = TimedReport { report: report.clone(), at: Instant::now() };
        state.replicas.insert(report.id.clone(), timed);
        Ok(())
    }

    async fn withdraw(&self, id: &str) -> Result<(), StoreError> {
        self.state().replicas.remove(id);
        Ok(())
    }

    async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        let state = self.state();
        let all = state.replicas.values().map(|timed| Replica::new(timed.report.clone(), timed.at.elapsed()));
        let mut replicas: Vec<_> = all.filter(|replica| replica.seen < Replica::EXPIRY).collect();
        replicas.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(replicas)
    }
}

impl State {
    /// Stores `after` with the `change` that made it.
    fn record(&mut self, change: HistoryEntry, after: &Split, history_limit: u32) {
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
