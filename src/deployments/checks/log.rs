//! Applies events to the records of instances, and keeps what operators read.

use std::collections::{HashSet, VecDeque};
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
    /// A leaf: no other lock but the one of a fleet's records is taken under it.
    state: Mutex<State>,
}

/// The last events, and the versions that are reported as unusable: one lock for both, so that events are in order.
#[derive(Debug, Default)]
struct State {
    /// The last events, oldest first.
    events: VecDeque<HealthEvent>,
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
        if let Some(transition) = fleet.apply(i, event, now) {
            self.record(fleet, i, transition, cause);
        }
    }

    /// Lets time pass for the instances of `fleet`: ends ejections, and moves the shares of slow start.
    pub(in crate::deployments) fn tick(&self, fleet: &Fleet, now: Instant) {
        for (i, transition) in fleet.tick(now) {
            self.record(fleet, i, transition, None);
        }
    }

    /// Returns the last events, oldest first.
    pub(in crate::deployments) fn events(&self) -> Vec<HealthEvent> {
        lock(&self.state).events.iter().cloned().collect()
    }

    /// Reports it if `fleet` has lost its last usable instance, or has one again.
    pub(in crate::deployments) fn report_usability(&self, fleet: &Fleet) {
        let change = lock(&self.state).usability_changed(fleet);
        if let Some(kind) = change {
            self.log_and_append(HealthEvent::new(fleet.service().clone(), fleet.version().clone(), kind));
        }
    }

    /// Forgets the versions that are not among `fleets`.
    pub(in crate::deployments) fn retain(&self, fleets: &[Arc<Fleet>]) {
        let mut state = lock(&self.state);
        if !state.none_usable.is_empty() {
            let published: HashSet<VersionId> = fleets.iter().map(|fleet| fleet.id()).collect();
            state.none_usable.retain(|id| published.contains(id));
        }
    }

    /// Records a transition with its cause: of an ejection the last failed request, of a failed check the
    /// result.
    fn record(&self, fleet: &Fleet, i: usize, transition: Transition, cause: Option<String>) {
        let Some(instance) = fleet.instances().iter().nth(i) else { return };
        let cause = match transition {
            Transition::Ejected { .. } | Transition::Spared => fleet.last_failure(i),
            Transition::Up { .. } | Transition::Down => cause,
        };
        let event = HealthEvent::new(fleet.service().clone(), fleet.version().clone(), transition.into());
        self.log_and_append(event.at_instance(instance.clone(), transition, cause));
        self.report_usability(fleet);
    }

    /// Logs an event and appends it for operators, in place of the oldest one if there is no room.
    fn log_and_append(&self, event: HealthEvent) {
        // Not under the lock: a subscriber of the application may read the events.
        event.log();
        let events = &mut lock(&self.state).events;
        if events.len() == MAX_EVENTS {
            events.pop_front();
        }
        events.push_back(event);
    }
}

impl State {
    /// Returns the event to report, if `fleet` has a usable instance and had none at the last report, or the reverse.
    fn usability_changed(&mut self, fleet: &Fleet) -> Option<HealthEventKind> {
        // Read under the lock: the later of two callers then sees the later state.
        if fleet.is_none_usable() {
            self.none_usable.insert(fleet.id()).then_some(HealthEventKind::NoneUsable)
        } else {
            self.none_usable.remove(&fleet.id()).then_some(HealthEventKind::SomeUsable)
        }
    }
}
