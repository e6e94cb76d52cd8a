//! The rollouts of a store in memory.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::routing::ServiceName;
use crate::store::new_rollout::NewRollout;
use crate::store::rollout_columns::NewRolloutEvent;
use crate::store::rollout_write::RolloutWrite;
use crate::store::stored_rollout::{StoredRollout, StoredRolloutEvent};

/// The rollouts and their events.
#[derive(Debug, Default)]
pub(super) struct RolloutTable {
    /// The number of rollouts that were ever started.
    started: u64,
    /// The rollouts by their ids.
    rows: BTreeMap<String, Row>,
    /// The ids of the rollouts that are not over.
    live: BTreeMap<ServiceName, String>,
}

/// A rollout with its events.
#[derive(Debug)]
struct Row {
    rollout: StoredRollout,
    /// Oldest first.
    events: Vec<StoredRolloutEvent>,
}

impl RolloutTable {
    /// Returns the services with a rollout that is not over, ordered by name.
    pub(super) fn services(&self) -> Vec<ServiceName> {
        self.live.keys().cloned().collect()
    }

    /// Returns the id of the rollout of `service` that is not over.
    pub(super) fn live_id(&self, service: &ServiceName) -> Option<&str> {
        self.live.get(service).map(String::as_str)
    }

    /// Returns the rollouts that are not over.
    pub(super) fn live(&self) -> impl Iterator<Item = &StoredRollout> {
        self.live.values().filter_map(|id| self.find(id))
    }

    /// Returns the rollout `id`, over or not.
    pub(super) fn find(&self, id: &str) -> Option<&StoredRollout> {
        self.rows.get(id).map(|row| &row.rollout)
    }

    /// Returns the rollouts of a service, in no particular order.
    pub(super) fn of_service(&self, service: &ServiceName) -> impl Iterator<Item = &StoredRollout> {
        let rollouts = self.rows.values().map(|row| &row.rollout);
        rollouts.filter(move |rollout| rollout.service == *service)
    }

    /// Returns the events of the rollout `id`, oldest first. Empty if it does not exist.
    pub(super) fn events(&self, id: &str) -> &[StoredRolloutEvent] {
        self.rows.get(id).map_or(&[], |row| &row.events)
    }

    /// Starts a rollout in a store at `revision`, and returns it. Its id must be new. Rollouts of the service that are
    /// over and beyond the limit are deleted.
    pub(super) fn start(&mut self, new: &NewRollout, revision: u64, at: SystemTime) -> StoredRollout {
        self.started += 1;
        let rollout = StoredRollout::started(new, self.started, revision, at);
        let row = Row { rollout: rollout.clone(), events: recorded_events(&new.events, rollout.turn, at) };
        self.rows.insert(new.id.clone(), row);
        self.live.insert(new.service.clone(), new.id.clone());
        self.delete_old(&new.service);
        rollout
    }

    /// Makes a write that [is admitted](StoredRollout::admits). See [`StoredRollout::write`].
    pub(super) fn write(&mut self, write: &RolloutWrite, generation: Option<u64>, now: SystemTime) {
        let Some(row) = self.rows.get_mut(&write.id) else { return };
        row.rollout.write(write, generation, now);
        row.events.extend(recorded_events(&write.events, row.rollout.turn, now));
        if row.rollout.is_over() {
            self.live.remove(&write.service);
        }
    }

    /// Deletes the rollouts of `service` that are over, except for the last [`StoredRollout::RETAINED`].
    fn delete_old(&mut self, service: &ServiceName) {
        let over = self.of_service(service).filter(|rollout| rollout.is_over());
        let mut numbers: Vec<u64> = over.map(|rollout| rollout.number).collect();
        numbers.sort_unstable();
        let excess = numbers.len().saturating_sub(StoredRollout::RETAINED);
        let old = &numbers[..excess];
        self.rows.retain(|_, row| row.rollout.service != *service || !old.contains(&row.rollout.number));
    }
}

/// Returns the events that the write to `turn` records at the time `at`, in their order.
fn recorded_events(events: &[NewRolloutEvent], turn: u64, at: SystemTime) -> Vec<StoredRolloutEvent> {
    let numbered = events.iter().zip(0_u32..);
    numbered.map(|(event, position)| StoredRolloutEvent::recorded(event, turn, position, at)).collect()
}
