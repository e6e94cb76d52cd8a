//! The instances of a version and their health.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use super::fleet_state::{FleetState, InstanceHealth};
use super::full_rows::FullRows;
use super::words::Words;
use crate::balance::Members;
use crate::common::lock::lock;
use crate::health::{self, Event, Health, InstanceState, LastCheck, Record, Transition};
use crate::routing::{Draw, Instances, ServiceName, Split, Version, VersionId, VersionName};
use crate::traffic::{FailureRow, InstanceCounters};

/// The instances of a version, in the order of its base URLs, and their health.
///
/// The routes that publish the same list share it, so a re-weight changes nothing here. Another list gets another fleet,
/// which takes over the health of the base URLs that stay.
///
/// A version with one instance that is not checked has no fleet: there is nothing to choose from, and nothing is
/// judged.
#[derive(Debug)]
pub(crate) struct Fleet {
    service: ServiceName,
    version: VersionName,
    id: VersionId,
    instances: Instances,
    members: Members,
    draw: Draw,
    words: Words,
    /// `None`: nothing judges the instances, and all of them may be chosen.
    judge: Option<Judge>,
    /// In the order of the base URLs. Created with the counters of the version: of many services, most are idle.
    traffic: OnceLock<Box<[InstanceTraffic]>>,
}

/// The counts of one instance, which its requests write and the fleet reads.
#[derive(Debug)]
pub(super) struct InstanceTraffic {
    pub(super) counters: InstanceCounters,
    /// `None`: its failures in a row are not counted.
    pub(super) row: Option<Arc<FailureRow>>,
}

/// The settings by which the instances of a fleet are judged, and their health.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) settings: Arc<Health>,
    /// The queue of the instances whose row of failures is full.
    pub(super) rows: Arc<FullRows<Fleet>>,
    /// Requests never take the lock.
    state: Mutex<FleetState<Fleet>>,
}

impl Judge {
    /// Creates the judge of a fleet whose instances are not known yet.
    pub(super) fn new(settings: Arc<Health>, rows: Arc<FullRows<Fleet>>) -> Self {
        Self { settings, rows, state: Mutex::new(FleetState::new()) }
    }
}

impl Fleet {
    /// Creates the fleet of `version`. `before` are the base URLs of the route before, if it had the version, and their
    /// fleet, if they had one.
    ///
    /// A base URL that got requests without a fleet is in service already, also if checks follow.
    pub(super) fn new(
        split: &Split,
        version: &Version,
        draw: Draw,
        judge: Option<Judge>,
        before: Option<(&Instances, Option<&Arc<Self>>)>,
    ) -> Arc<Self> {
        let count = version.instances.len().get();
        let members = Members::new(count);
        let fleet = Arc::new(Self {
            service: split.service().clone(),
            version: version.name.clone(),
            id: version.id,
            instances: version.instances.clone(),
            members,
            draw,
            words: Words::new(members, count),
            judge,
            traffic: OnceLock::new(),
        });
        fleet.take_over(split.health_path().is_some(), before);
        fleet
    }

    /// Fills the records with those that the fleet before has of the same base URLs. From then on, events for that
    /// fleet come here.
    ///
    /// | the route before | record of the instance |
    /// | --- | --- |
    /// | had the base URL, in a fleet that was judged | the same |
    /// | had the base URL, without a judge | up |
    /// | had the version, without the base URL | new if it is checked, else up. It starts slowly once it is up |
    /// | had no such version | new if it is checked, else up |
    fn take_over(self: &Arc<Self>, is_checked: bool, before: Option<(&Instances, Option<&Arc<Self>>)>) {
        let Some(judge) = &self.judge else { return };
        let now = tokio::time::Instant::now().into_std();
        let judge_before = before.and_then(|(_, fleet)| fleet?.judge.as_ref());
        let mut kept = judge_before.map(|judge| lock(&judge.state));
        let mut state = FleetState::new();
        for backend in &self.instances {
            let position = before.map(|(instances, _)| instances.position(backend));
            let known = position.flatten().and_then(|i| kept.as_ref()?.instance(i));
            match (position, known) {
                (_, Some(known)) => state.carry_over(known),
                (None, None) => state.add(Record::new(is_checked, rand::random(), now), now),
                (Some(None), None) => state.add(Record::new(is_checked, rand::random(), now).joining(), now),
                (Some(Some(_)), None) => state.add(Record::new(false, rand::random(), now), now),
            }
        }
        self.words.write(&judge.settings, &state.records, now);
        *lock(&judge.state) = state;
        if let Some(kept) = &mut kept {
            kept.successor = Arc::downgrade(self);
        }
    }

    /// Returns the service of the version.
    pub(crate) const fn service(&self) -> &ServiceName {
        &self.service
    }

    /// Returns the name of the version.
    pub(crate) const fn version(&self) -> &VersionName {
        &self.version
    }

    /// Returns the id of the version. A version that was registered again has another fleet.
    pub(crate) const fn id(&self) -> VersionId {
        self.id
    }

    /// Returns the base URLs in their order, by which all positions count.
    pub(crate) const fn instances(&self) -> &Instances {
        &self.instances
    }

    /// Returns the draw of the handle, which decides whether the choices among the instances repeat.
    pub(super) const fn draw(&self) -> Draw {
        self.draw
    }

    /// Returns the set of all positions.
    #[inline]
    pub(super) const fn members(&self) -> Members {
        self.members
    }

    /// Returns the words that requests read to find the usable instances.
    #[inline]
    pub(super) const fn words(&self) -> &Words {
        &self.words
    }

    /// Returns the judge of the instances, or `None` if nothing judges them.
    pub(super) const fn judge(&self) -> Option<&Judge> {
        self.judge.as_ref()
    }

    /// Sets the counts of the instances, in the order of the base URLs, unless they are set.
    pub(super) fn set_traffic(&self, instances: impl Iterator<Item = InstanceTraffic>) {
        self.traffic.get_or_init(|| instances.collect());
    }

    /// Returns the counts of the instances in the order of the base URLs, or nothing before the version has counters.
    fn traffic(&self) -> &[InstanceTraffic] {
        self.traffic.get().map_or(&[], |instances| instances)
    }

    /// Returns the failures in a row of the instance `i`, or `None` if it has no counters yet or its failures are not
    /// counted.
    fn row(&self, i: usize) -> Option<&FailureRow> {
        self.traffic().get(i)?.row.as_deref()
    }

    /// Returns the fleet that has taken over from this one, whose state is `state`, and the position of the instance
    /// `i` there. The position is `None` if the base URL was removed. `None` if no fleet has taken over.
    fn successor(&self, state: &FleetState<Self>, i: usize) -> Option<(Arc<Self>, Option<usize>)> {
        let next = state.successor.upgrade()?;
        let position = self.instances.iter().nth(i).and_then(|backend| next.instances.position(backend));
        Some((next, position))
    }

    /// Applies `event` to the instance `i`, and returns a change that operators are informed of.
    ///
    /// If the base URLs of the version changed meanwhile, the event reaches the fleet that has the instance now.
    pub(crate) fn apply(&self, i: usize, event: Event, now: Instant) -> Option<Transition> {
        let judge = self.judge.as_ref()?;
        let mut state = lock(&judge.state);
        if let Some((next, position)) = self.successor(&state, i) {
            drop(state);
            return next.apply(position?, event, now);
        }
        let transition = self.apply_locked(judge, &mut state, i, event, now);
        self.words.write(&judge.settings, &state.records, now);
        transition
    }

    /// Applies the time that has passed and the successes of requests, and returns the changes that operators are informed
    /// of, by instance.
    pub(crate) fn tick(&self, now: Instant) -> Vec<(usize, Transition)> {
        let Some(judge) = &self.judge else { return Vec::new() };
        let mut state = lock(&judge.state);
        let mut transitions = Vec::new();
        for i in 0..state.records.len() {
            if self.row(i).is_none_or(|row| row.length() == 0) {
                self.apply_locked(judge, &mut state, i, Event::RowCleared, now);
            }
            let transition = self.apply_locked(judge, &mut state, i, Event::Time, now);
            transitions.extend(transition.map(|transition| (i, transition)));
        }
        self.words.write(&judge.settings, &state.records, now);
        transitions
    }

    /// Applies an event under the lock, and updates the row and the words that requests read.
    fn apply_locked(
        &self,
        judge: &Judge,
        state: &mut FleetState<Self>,
        i: usize,
        event: Event,
        now: Instant,
    ) -> Option<Transition> {
        let transition = state.apply(&judge.settings, i, event, now);
        if let (Some(Transition::Up { trial }), Some(row)) = (transition, self.row(i)) {
            // On trial, one more failure makes the row full.
            row.reset(if trial { judge.settings.row().saturating_sub(1) } else { 0 });
        }
        transition
    }

    /// Returns whether time may change something, so that [`tick`](Self::tick) has work.
    pub(crate) fn needs_tick(&self) -> bool {
        self.any_record(Record::needs_tick)
    }

    /// Returns whether `is_one` holds for the record of an instance. A fleet that is not judged has no records.
    fn any_record(&self, is_one: impl Fn(&Record) -> bool) -> bool {
        self.judge.as_ref().is_some_and(|judge| lock(&judge.state).records.iter().any(is_one))
    }

    /// Returns the states of the instances in the order of the base URLs. Where nothing judges them they are up.
    pub(crate) fn states(&self) -> Vec<InstanceState> {
        match &self.judge {
            Some(judge) => lock(&judge.state).records.iter().map(Record::state).collect(),
            None => self.instances.iter().map(|_| InstanceState::Up).collect(),
        }
    }

    /// Returns the state of the instance `i`, or `None` if there is no such instance.
    pub(crate) fn state(&self, i: usize) -> Option<InstanceState> {
        match &self.judge {
            Some(judge) => lock(&judge.state).records.get(i).map(Record::state),
            None => self.instances.iter().nth(i).map(|_| InstanceState::Up),
        }
    }

    /// Returns the record of the instance `i`, if something judges it.
    pub(super) fn record(&self, i: usize) -> Option<Record> {
        lock(&self.judge.as_ref()?.state).records.get(i).cloned()
    }

    /// Returns whether the last check of the instance `i` contradicts its state, so that the next one is due soon.
    pub(crate) fn is_undecided(&self, i: usize) -> bool {
        self.record(i).is_some_and(|record| record.is_undecided())
    }

    /// Returns the usable instances as bits. Zero: none is, though all may be tried then.
    pub(super) fn usable(&self) -> u64 {
        if self.is_none_usable() { 0 } else { self.words.usable() }
    }

    /// Returns whether each instance is out of service.
    pub(crate) fn is_none_usable(&self) -> bool {
        self.judge.as_ref().is_some_and(|judge| health::is_none_usable(&lock(&judge.state).records))
    }

    /// Returns whether requests that find no usable instance go to another version.
    pub(super) fn fails_over(&self) -> bool {
        self.judge.as_ref().is_some_and(|judge| judge.settings.is_failover())
    }

    /// Returns whether requests that find no usable instance are refused.
    pub(super) fn refuses(&self) -> bool {
        self.judge.as_ref().is_some_and(|judge| judge.settings.is_refusing())
    }

    /// Records the result of a check of the instance `i`.
    ///
    /// If the base URLs of the version changed meanwhile, the fleet that has the instance now records it.
    pub(crate) fn record_check(&self, i: usize, check: LastCheck) {
        let Some(judge) = &self.judge else { return };
        let mut state = lock(&judge.state);
        if let Some((next, position)) = self.successor(&state, i) {
            drop(state);
            return position.into_iter().for_each(|i| next.record_check(i, check.clone()));
        }
        if let Some(checked) = state.checks.get_mut(i) {
            checked.record(check);
        }
    }

    /// Returns the health of the instance `i` at one moment, or `None` if nothing judges it.
    pub(super) fn instance_health(&self, i: usize) -> Option<InstanceHealth> {
        lock(&self.judge.as_ref()?.state).instance(i)
    }

    /// Returns the result of the last failed request to the instance `i`: `no response`, or `status` and its number.
    /// `None` if none has failed.
    pub(crate) fn last_failure(&self, i: usize) -> Option<String> {
        let row = self.row(i).filter(|row| row.failures() > 0)?;
        Some(row.last_status().map_or_else(|| "no response".to_owned(), |status| format!("status {status}")))
    }

    /// Returns how many requests were sent to the instances of this fleet since this gateway has each of them.
    pub(crate) fn picks(&self) -> u64 {
        self.traffic().iter().map(|instance| instance.counters.requests()).sum()
    }
}
