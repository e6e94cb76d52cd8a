//! The health of the instances of a fleet.

use std::sync::Weak;
use std::time::Instant;

use super::checked::Checked;
use super::times::Times;
use crate::health::{self, Event, Health, Record, Transition};

/// The health of the instances, in the order of the base URLs. `F` is the type of the fleet.
#[derive(Debug)]
pub(super) struct FleetState<F> {
    pub(super) records: Vec<Record>,
    times: Vec<Times>,
    pub(super) checks: Vec<Checked>,
    /// The fleet that has taken over, if there is one.
    pub(super) successor: Weak<F>,
}

/// What is known of one instance.
pub(super) struct Seen {
    pub(super) record: Record,
    pub(super) times: Times,
    pub(super) checked: Checked,
}

impl<F> FleetState<F> {
    /// Creates the state of a fleet without instances.
    pub(super) const fn new() -> Self {
        Self { records: Vec::new(), times: Vec::new(), checks: Vec::new(), successor: Weak::new() }
    }

    /// Adds an instance that is not known yet.
    pub(super) fn add(&mut self, record: Record, now: Instant) {
        self.times.push(Times::of(&record, now));
        self.records.push(record);
        self.checks.push(Checked::default());
    }

    /// Returns what is known of the instance `i` at one moment.
    pub(super) fn seen(&self, i: usize) -> Option<Seen> {
        let (record, times, checked) = (self.records.get(i)?, *self.times.get(i)?, self.checks.get(i)?);
        Some(Seen { record: record.clone(), times, checked: checked.clone() })
    }

    /// Adds an instance of which all of this is known.
    pub(super) fn keep(&mut self, seen: Seen) {
        self.records.push(seen.record);
        self.times.push(seen.times);
        self.checks.push(seen.checked);
    }

    /// Applies an event, and notes when a state began with it.
    pub(super) fn apply(
        &mut self,
        settings: &Health,
        i: usize,
        event: Event,
        now: Instant,
    ) -> Option<Transition> {
        let began = |records: &[Record]| records.get(i).map(|record| (record.state(), record.since()));
        let before = began(&self.records);
        let transition = health::apply(settings, &mut self.records, i, event, now);
        if began(&self.records) != before
            && let (Some(times), Some(record)) = (self.times.get_mut(i), self.records.get(i))
        {
            *times = Times::of(record, now);
        }
        transition
    }
}
