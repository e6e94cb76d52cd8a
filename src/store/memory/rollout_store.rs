//! Rollouts in the store in memory.

use std::time::SystemTime;

use async_trait::async_trait;

use super::memory_store::{MemoryStore, State};
use crate::common::time::now;
use crate::routing::ServiceName;
use crate::store::applied::Applied;
use crate::store::error::StoreError;
use crate::store::history::HistoryEntry;
use crate::store::new_rollout::NewRollout;
use crate::store::rollout_write::{DecidedChange, RolloutWrite, RolloutWritten};
use crate::store::rollouts::{LiveRollouts, RolloutStore};
use crate::store::snapshot::BrokenSplit;
use crate::store::stored_rollout::{StoredRollout, StoredRolloutEvent};

#[async_trait]
impl RolloutStore for MemoryStore {
    async fn live(&self) -> Result<LiveRollouts, StoreError> {
        let state = self.state();
        let mut rollouts: Vec<_> =
            state.rollouts.live().map(|rollout| state.with_service_revision(rollout)).collect();
        rollouts.sort_by_key(|rollout| rollout.number);
        Ok(LiveRollouts::new(self.clock.now(), rollouts))
    }

    async fn rollout(&self, id: &str) -> Result<Option<StoredRollout>, StoreError> {
        let state = self.state();
        Ok(state.rollouts.find(id).map(|rollout| state.with_service_revision(rollout)))
    }

    async fn rollouts(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<StoredRollout>, StoreError> {
        let state = self.state();
        let page = state.rollouts.of_service(service);
        let page = page.filter(|rollout| before.is_none_or(|before| rollout.number < before));
        let mut page: Vec<_> = page.map(|rollout| state.with_service_revision(rollout)).collect();
        page.sort_by_key(|rollout| std::cmp::Reverse(rollout.number));
        page.truncate(limit as usize);
        Ok(page)
    }

    async fn rollout_events(&self, id: &str, limit: u32) -> Result<Vec<StoredRolloutEvent>, StoreError> {
        let state = self.state();
        Ok(state.rollouts.events(id).iter().take(limit as usize).cloned().collect())
    }

    async fn start_rollout(&self, new: &NewRollout) -> Result<StoredRollout, StoreError> {
        new.check()?;
        let mut state = self.state();
        state.check_start(new)?;
        let revision = state.touch(&new.service);
        Ok(state.rollouts.start(new, revision, self.clock.now()))
    }

    async fn write_rollout(&self, write: &RolloutWrite) -> Result<RolloutWritten, StoreError> {
        write.check()?;
        let mut state = self.state();
        // Within the lock, so that the times of writes ascend.
        let at = self.clock.now();
        if !state.rollouts.find(&write.id).is_some_and(|rollout| rollout.admits(write, at)) {
            return Ok(RolloutWritten::Overtaken);
        }
        let changed_at = now();
        let decided = state.decide(write, changed_at)?;
        let applied = decided.iter().map(|change| state.apply(change, changed_at, self.history_limit));
        let applied: Vec<Applied> = applied.collect();
        let generation = RolloutWrite::last_generation(&decided);
        state.rollouts.write(write, generation, at);
        if write.columns.outcome.is_some() && generation.is_none() {
            state.touch(&write.service);
        }
        Ok(RolloutWritten::Written { applied, revision: state.revision })
    }
}

impl State {
    /// Returns a copy of `rollout` with the present revision of its service.
    fn with_service_revision(&self, rollout: &StoredRollout) -> StoredRollout {
        let service = self.services.get(&rollout.service);
        let service_revision = service.map_or(rollout.service_revision, |entry| entry.revision);
        StoredRollout { service_revision, ..rollout.clone() }
    }

    /// Refuses a start of a rollout for a service that does not exist, has one, or is at another generation, and one
    /// with an id that is in use.
    fn check_start(&self, new: &NewRollout) -> Result<(), StoreError> {
        let entry = self.services.get(&new.service).filter(|entry| !entry.split.is_removed());
        let split = &entry.ok_or_else(|| StoreError::UnknownService(new.service.clone()))?.split;
        if let Some(id) = self.rollouts.live_id(&new.service) {
            return Err(StoreError::RolloutActive { id: id.to_owned() });
        }
        new.check_generation(split)?;
        if self.rollouts.find(&new.id).is_some() {
            let reason = format!("a rollout with the id {} exists", new.id);
            return Err(StoreError::Broken(BrokenSplit::new(new.service.as_str(), reason)));
        }
        Ok(())
    }

    /// Applies the changes of `write` to the split of its service, without storing them.
    fn decide(&self, write: &RolloutWrite, at: SystemTime) -> Result<Vec<DecidedChange>, StoreError> {
        match self.services.get(&write.service) {
            Some(entry) => write.decide(&entry.split, at),
            None => Err(StoreError::UnknownService(write.service.clone())),
        }
    }

    /// Makes one decided change of a write, with its entry in the history, and returns its result. Each change has a
    /// revision of its own. One that changes nothing stores nothing.
    fn apply(&mut self, change: &DecidedChange, at: SystemTime, history_limit: u32) -> Applied {
        let DecidedChange { request, before, after } = change;
        if change.is_change() {
            self.record(HistoryEntry::new(request, before, after, at), after, history_limit);
        }
        Applied::new(before.clone(), after.clone(), self.revision)
    }

    /// Increments the revision of the store and gives it to `service`, so that other gateways load the service. Returns
    /// the new revision.
    fn touch(&mut self, service: &ServiceName) -> u64 {
        self.revision += 1;
        if let Some(entry) = self.services.get_mut(service) {
            entry.revision = self.revision;
        }
        self.revision
    }
}
