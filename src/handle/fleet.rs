//! The instances of a version and their health.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use super::fleet_state::{FleetState, Seen};
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
/// A version with one instance that is not checked has none: nothing is to be chosen there, and nothing is judged.
#[derive(Debug)]
pub(crate) struct Fleet {
    service: ServiceName,
    version: VersionName,
    id: VersionId,
    instances: Instances,
    members: Members,
    draw: Draw,
    words: Words,
    judge: Option<Judge>,
    /// What it reads of its instances in the order of the base URLs, once there was a request: of many services, most are
    /// idle.
    counted: OnceLock<Box<[Member]>>,
}

/// What a fleet reads of one instance.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) counters: InstanceCounters,
    /// `None`: its failures are not counted.
    pub(super) row: Option<Arc<FailureRow>>,
}

/// What judges the instances of a fleet.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) settings: Arc<Health>,
    /// Where instances wait to be judged.
    pub(super) rows: Arc<FullRows<Fleet>>,
    /// Requests never take the lock.
    state: Mutex<FleetState<Fleet>>,
}

impl Judge {
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
            counted: OnceLock::new(),
        });
        fleet.take_over(split.health_path().is_some(), before);
        fleet
    }

    /// Fills the records with those that the fleet before has of the same base URLs. From then on, events for it come here.
    fn take_over(self: &Arc<Self>, is_checked: bool, before: Option<(&Instances, Option<&Arc<Self>>)>) {
        let Some(judge) = &self.judge else { return };
        let now = tokio::time::Instant::now().into_std();
        let judge_before = before.and_then(|(_, fleet)| fleet?.judge.as_ref());
        let mut kept = judge_before.map(|judge| lock(&judge.state));
        let mut state = FleetState::new();
        for backend in &self.instances {
            let position = before.map(|(instances, _)| instances.position(backend));
            let known = position.flatten().and_then(|i| kept.as_ref()?.seen(i));
            match (position, known) {
                (_, Some(known)) => state.keep(known),
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

    /// Returns how the services of the handle draw.
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

    /// Returns what judges the instances, or `None` if nothing does.
    pub(super) const fn judge(&self) -> Option<&Judge> {
        self.judge.as_ref()
    }

    /// Sets what it reads of its instances, unless it is set.
    pub(super) fn set_members(&self, members: impl Iterator<Item = Member>) {
        self.counted.get_or_init(|| members.collect());
    }

    /// Returns the counters of the instances. They are empty until the fleet is published.
    fn counted(&self) -> &[Member] {
        self.counted.get().map_or(&[], |members| members)
    }

    /// Returns the failures in a row of instance `i`. `None` without health.
    fn row(&self, i: usize) -> Option<&FailureRow> {
        self.counted().get(i)?.row.as_deref()
    }

    /// Returns the fleet that has taken over from the one with this `state`, and the position of instance `i` in it.
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

    /// Returns whether an instance has such a record. A fleet without health has no records.
    fn any_record(&self, is_one: impl Fn(&Record) -> bool) -> bool {
        self.judge.as_ref().is_some_and(|judge| lock(&judge.state).records.iter().any(is_one))
    }

    /// Returns the states of the instances. Where nothing judges them they are up.
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
    pub(super) fn is_failover(&self) -> bool {
        self.judge.as_ref().is_some_and(|judge| judge.settings.is_failover())
    }

    /// Returns whether requests that find no usable instance are refused.
    pub(super) fn is_refusing(&self) -> bool {
        self.judge.as_ref().is_some_and(|judge| judge.settings.is_refusing())
    }

    /// Records what a check of the instance `i` saw.
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

    /// Returns what is known of the instance `i` at one moment, if something judges it.
    pub(super) fn seen(&self, i: usize) -> Option<Seen> {
        lock(&self.judge.as_ref()?.state).seen(i)
    }

    /// Returns what the last failed request to the instance `i` saw, or `None` if none has failed.
    pub(crate) fn last_failure(&self, i: usize) -> Option<String> {
        let row = self.row(i).filter(|row| row.failures() > 0)?;
        Some(row.last_status().map_or_else(|| "no response".to_owned(), |status| format!("status {status}")))
    }

    /// Returns how many requests were sent to the present instances.
    pub(crate) fn picks(&self) -> u64 {
        self.counted().iter().map(|member| member.counters.requests()).sum()
    }
}
