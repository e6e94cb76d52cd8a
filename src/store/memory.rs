//! The store in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::change_request::ChangeRequest;
use super::error::StoreError;
use super::history::HistoryEntry;
use super::refusals::{MAX_REFUSALS, Refusal, RefusalLog};
use super::replicas::{Replica, ReplicaRegistry, Report};
use super::routes::{Applied, RouteStore};
use super::snapshot::Snapshot;
use crate::common::lock::lock;
use crate::common::time::now;
use crate::routing::{Change, ServiceName, Split};

/// How many changes of one service the store in memory remembers, where nothing is said.
const REMEMBERED: u32 = 1_000;

/// Keeps splits in memory, and the last 1,000 changes of each: for tests, and for hosts whose routes come from code.
///
/// See [`RouteStore`] for an example.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    remembered: u32,
}

#[derive(Debug, Default)]
struct State {
    revision: u64,
    services: BTreeMap<ServiceName, Entry>,
    /// Latest last.
    refusals: VecDeque<Refusal>,
    /// By id, each with when it reported.
    replicas: BTreeMap<String, (Replica, Instant)>,
}

#[derive(Clone, Debug)]
struct Entry {
    split: Split,
    revision: u64,
    history: VecDeque<HistoryEntry>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Mutex::default(), remembered: REMEMBERED }
    }

    /// Remembers the last `changes` of each service.
    ///
    /// ```
    /// use tower_canary::store::MemoryStore;
    ///
    /// let store = MemoryStore::new().with_history_limit(10);
    /// ```
    #[must_use]
    pub fn with_history_limit(self, changes: u32) -> Self {
        Self { remembered: changes, ..self }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A change is made on a copy and put in whole, so the state is right even after a panic elsewhere.
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
        Ok(Snapshot { revision: state.revision, splits, broken: Vec::new() })
    }

    async fn commit(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError> {
        let mut state = self.state();
        let known = state.services.get(service).map(|entry| entry.split.clone());
        let before = match (known, &request.change) {
            (Some(split), _) => split,
            (None, Change::Register(_)) => Split::new(service.clone(), rand::random()),
            (None, _) => return Err(StoreError::UnknownService(service.clone())),
        };
        let at = now();
        let after = request.decide(&before, at)?;
        if after.generation() != before.generation() {
            state.record(HistoryEntry::new(request, &before, &after, at), &after, self.remembered);
        }
        Ok(Applied { before, after, revision: state.revision })
    }

    async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let state = self.state();
        let entry = state.services.get(service).ok_or_else(|| StoreError::UnknownService(service.clone()))?;
        let earlier = |change: &&HistoryEntry| before.is_none_or(|before| change.generation < before);
        Ok(entry.history.iter().rev().filter(earlier).take(limit as usize).cloned().collect())
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
        keep_last(&mut state.refusals, MAX_REFUSALS);
        Ok(())
    }

    async fn refusals(&self, service: &ServiceName, limit: u32) -> Result<Vec<Refusal>, StoreError> {
        let state = self.state();
        let of_service = state.refusals.iter().rev().filter(|refusal| refusal.service == *service);
        Ok(of_service.take(limit as usize).cloned().collect())
    }
}

#[async_trait]
impl ReplicaRegistry for MemoryStore {
    async fn report(&self, report: &Report) -> Result<(), StoreError> {
        let Report { id, name, revision, draining } = report.clone();
        let replica = Replica { id: id.clone(), name, revision, seen: Duration::ZERO, draining };
        let mut state = self.state();
        state.replicas.retain(|_, (_, at)| at.elapsed() < Replica::EXPIRY);
        state.replicas.insert(id, (replica, Instant::now()));
        Ok(())
    }

    async fn withdraw(&self, id: &str) -> Result<(), StoreError> {
        self.state().replicas.remove(id);
        Ok(())
    }

    async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        let state = self.state();
        let seen =
            state.replicas.values().map(|(replica, at)| Replica { seen: at.elapsed(), ..replica.clone() });
        let mut replicas: Vec<_> = seen.filter(|replica| replica.seen < Replica::EXPIRY).collect();
        replicas.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(replicas)
    }
}

impl State {
    fn record(&mut self, change: HistoryEntry, after: &Split, remembered: u32) {
        self.revision += 1;
        let new = || Entry { split: after.clone(), revision: 0, history: VecDeque::new() };
        let entry = self.services.entry(after.service().clone()).or_insert_with(new);
        entry.split = after.clone();
        entry.revision = self.revision;
        entry.history.push_back(change);
        keep_last(&mut entry.history, remembered as usize);
    }
}

fn keep_last<T>(all: &mut VecDeque<T>, most: usize) {
    all.drain(..all.len().saturating_sub(most));
}
