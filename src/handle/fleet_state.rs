//! The health of the instances of a fleet.

use std::sync::Weak;
use std::time::Instant;

use super::check_results::CheckResults;
use super::times::Times;
use crate::health::{self, Event, Health, Record, Transition};

/// The health of the instances, in the order of the base URLs. `F` is the type of the fleet.
#[derive(Debug)]
pub(super) struct FleetState<F> {
    pub(super) records: Vec<Record>,
    times: Vec<Times>,
    pub(super) checks: Vec<CheckResults>,
    /// The fleet that has taken over, if there is one.
    pub(super) successor: Weak<F>,
}

/// The health of one instance at one moment.
pub(super) struct InstanceHealth {
    pub(super) record: Record,
    pub(super) times: Times,
    pub(super) checks: CheckResults,
}

impl<F> FleetState<F> {
    /// Creates the state of a fleet without instances.
    pub(super) const fn new() -> Self {
        Self { records: Vec::new(), times: Vec::new(), checks: Vec::new(), successor: Weak::new() }
    }

    /// Adds an instance without an earlier record. `record` begins at `now`.
    pub(super) fn add(&mut self, record: Record, now: Instant) {
        self.times.push(Times::new(&record, now));
        self.records.push(record);
        self.checks.push(CheckResults::default());
    }

    /// Returns the health of the instance `i`, or `None` if there is no such instance.
    pub(super) fn instance(&self, i: usize) -> Option<InstanceHealth> {
        Some(InstanceHealth {
            record: self.records.get(i)?.clone(),
            times: *self.times.get(i)?,
            checks: self.checks.get(i)?.clone(),
        })
    }

    /// Adds an instance with its health in an earlier fleet.
    pub(super) fn carry_over(&mut self, health: InstanceHealth) {
        self.records.push(health.record);
        self.times.push(health.times);
        self.checks.push(health.checks);
    }

    /// Applies `event` to the instance `i`, and records the time if a state begins with it. Returns a change that
    /// operators are informed of.
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
            *times = Times::new(record, now);
        }
        transition
    }
}
