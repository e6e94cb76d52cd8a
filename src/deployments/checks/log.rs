//! Applies events to the records of instances, and keeps what operators read.

use std::collections::{HashSet, VecDeque};
use std::mem::take;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::event::{HealthEvent, HealthEventKind};
use crate::common::lock::lock;
use crate::handle::Fleet;
use crate::health::{Event, Transition};
use crate::routing::VersionId;

/// The most events that operators can read. A later one replaces the oldest.
const MAX_EVENTS: usize = 100;

/// The only caller of [`Fleet::apply`] and [`Fleet::tick`], so that each transition is logged once.
#[derive(Debug, Default)]
pub(in crate::deployments) struct HealthLog {
    /// No other lock but the one of a fleet's records is taken under it.
    state: Mutex<State>,
}

/// The last events, and the versions that are reported as unusable: one lock for both, so that events are in the order
/// of the transitions.
#[derive(Debug, Default)]
struct State {
    /// The last events, oldest first.
    events: VecDeque<HealthEvent>,
    /// The events that [`HealthLog::log_new_events`] has not logged yet, oldest first.
    unlogged: Vec<HealthEvent>,
    /// The versions that were reported to have no usable instance.
    none_usable: HashSet<VersionId>,
}

impl HealthLog {
    /// Applies `event` to the instance `i` of `fleet`. `cause` is what a check saw.
    pub(in crate::deployments) fn apply(
        &self,
        fleet: &Fleet,
        i: usize,
        event: Event,
        cause: Option<String>,
        now: Instant,
    ) {
        let mut state = lock(&self.state);
        if let Some(transition) = fleet.apply(i, event, now) {
            state.record(fleet, i, transition, cause);
        }
    }

    /// Lets time pass for the instances of `fleet`: ends ejections, and moves the shares of slow start.
    pub(in crate::deployments) fn tick(&self, fleet: &Fleet, now: Instant) {
        let mut state = lock(&self.state);
        for (i, transition) in fleet.tick(now) {
            state.record(fleet, i, transition, None);
        }
    }

    /// Returns the last events, oldest first.
    pub(in crate::deployments) fn events(&self) -> Vec<HealthEvent> {
        lock(&self.state).events.iter().cloned().collect()
    }

    /// Records an event if `fleet` has lost its last usable instance, or has one again.
    pub(in crate::deployments) fn record_usability(&self, fleet: &Fleet) {
        lock(&self.state).record_usability(fleet);
    }

    /// Forgets the versions that are not among `fleets`.
    pub(in crate::deployments) fn retain(&self, fleets: &[Arc<Fleet>]) {
        let mut state = lock(&self.state);
        if !state.none_usable.is_empty() {
            let published: HashSet<VersionId> = fleets.iter().map(|fleet| fleet.id()).collect();
            state.none_usable.retain(|id| published.contains(id));
        }
    }

    /// Logs the events that were recorded since the last call.
    ///
    /// Call it last, without a lock: a subscriber of the application may read the events, and may panic.
    pub(in crate::deployments) fn log_new_events(&self) {
        let unlogged = take(&mut lock(&self.state).unlogged);
        unlogged.iter().for_each(HealthEvent::log);
    }
}

impl State {
    /// Records a transition with its cause: of an ejection the last failed request, of a failed check the
    /// result.
    fn record(&mut self, fleet: &Fleet, i: usize, transition: Transition, cause: Option<String>) {
        let Some(instance) = fleet.instances().iter().nth(i) else { return };
        let cause = match transition {
            Transition::Ejected { .. } | Transition::Spared => fleet.last_failure(i),
            Transition::Up { .. } | Transition::Down => cause,
        };
        let event = HealthEvent::new(fleet.service().clone(), fleet.version().clone(), transition.into());
        self.append(event.at_instance(instance.clone(), transition, cause));
        self.record_usability(fleet);
    }

    /// Records an event if `fleet` has lost its last usable instance since the last call, or has one again.
    fn record_usability(&mut self, fleet: &Fleet) {
        let change = if fleet.is_none_usable() {
            self.none_usable.insert(fleet.id()).then_some(HealthEventKind::NoneUsable)
        } else {
            self.none_usable.remove(&fleet.id()).then_some(HealthEventKind::SomeUsable)
        };
        if let Some(kind) = change {
            self.append(HealthEvent::new(fleet.service().clone(), fleet.version().clone(), kind));
        }
    }

    /// Appends an event for operators, in place of the oldest one if there is no room, and for the log.
    fn append(&mut self, event: HealthEvent) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.unlogged.push(event.clone());
        self.events.push_back(event);
    }
}
