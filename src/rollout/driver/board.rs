//! What this process has seen of the rollouts.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;

use super::view::RolloutView;
use crate::common::lock::lock;
use crate::rollout::{Measure, Odds, Outcome};
use crate::routing::ServiceName;
use crate::store::StoredRollout;

/// The status of a rollout as this process has seen it last. See [`Rollouts::statuses`](super::Rollouts::statuses).
///
/// It is a summary for metrics and dashboards, and is as old as the last run of the driver: at most about
/// five seconds while the store responds. Read the rollout itself to decide something.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RolloutStatus {
    /// The id of the rollout.
    pub id: String,
    /// The service.
    pub service: ServiceName,
    /// The word for the phase.
    pub phase: &'static str,
    /// The number of the stage. 0 before the first one.
    pub step: usize,
    /// The number of stages.
    pub steps: usize,
    /// The evidence against the canary by each measure of the plan.
    pub odds: Vec<(Measure, Odds)>,
    /// Whether this process leads the rollout.
    pub leads: bool,
    /// The time since a gateway drove the rollout last, by the clock of the store until it was read, and by the own clock
    /// since then. It grows while nobody drives.
    pub tick_age: Duration,
}

/// What this process has seen of the rollouts. Shared by the driver and its readers.
#[derive(Debug)]
pub(super) struct Board {
    /// The rollouts that are not over, by id, each with the time at which it was read or written here.
    statuses: Mutex<BTreeMap<String, (RolloutStatus, Instant)>>,
    /// The last turn that was read or written here, by the id of the rollout.
    turns: Mutex<BTreeMap<String, u64>>,
    /// How many rollouts this process has ended.
    ended: Mutex<BTreeMap<(ServiceName, Outcome), u64>>,
    /// A number that changes with each write that was made or noticed here.
    writes: watch::Sender<u64>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            statuses: Mutex::default(),
            turns: Mutex::default(),
            ended: Mutex::default(),
            writes: watch::Sender::new(0),
        }
    }
}

impl Board {
    /// Records all rollouts that are not over, at the time `now` of the store's clock, in place of those before.
    pub(super) fn replace(&self, rollouts: &[RolloutView], now: SystemTime, replica: &str) {
        let statuses = rollouts.iter().map(|rollout| {
            let age = now.duration_since(rollout.stored.ticked_at).unwrap_or_default();
            (rollout.stored.id.clone(), (status(rollout, age, replica), Instant::now()))
        });
        *lock(&self.statuses) = statuses.collect();
        let live: Vec<&StoredRollout> = rollouts.iter().map(|rollout| &rollout.stored).collect();
        self.record_turns(&live);
    }

    /// Records a write of this process, and wakes up those who follow. The write that ends a rollout counts its
    /// outcome.
    pub(super) fn record_write(&self, rollout: &RolloutView, replica: &str) {
        let status = (status(rollout, Duration::ZERO, replica), Instant::now());
        let id = rollout.stored.id.clone();
        if let Some(outcome) = rollout.state.phase().outcome() {
            lock(&self.statuses).remove(&id);
            let service = rollout.stored.service.clone();
            *lock(&self.ended).entry((service, outcome)).or_default() += 1;
        } else {
            lock(&self.statuses).insert(id.clone(), status);
        }
        lock(&self.turns).insert(id, rollout.stored.turn);
        self.writes.send_modify(|writes| *writes += 1);
    }

    /// Records the turns of all rollouts that are not over. Wakes up those who follow, if others wrote since the last
    /// time.
    fn record_turns(&self, live: &[&StoredRollout]) {
        let now: BTreeMap<String, u64> = live.iter().map(|stored| (stored.id.clone(), stored.turn)).collect();
        let mut turns = lock(&self.turns);
        if *turns != now {
            *turns = now;
            self.writes.send_modify(|writes| *writes += 1);
        }
    }

    /// Returns the rollouts that were read in the last run, each with its age now and not at that run.
    pub(super) fn statuses(&self) -> Vec<RolloutStatus> {
        let read = lock(&self.statuses);
        let statuses = read.values().map(|(status, at)| {
            let tick_age = status.tick_age.saturating_add(at.elapsed());
            RolloutStatus { tick_age, ..status.clone() }
        });
        statuses.collect()
    }

    /// Returns how many rollouts of each service ended in each way since the start of this process, as
    /// counters that never decrease.
    pub(super) fn ended(&self) -> Vec<(ServiceName, Outcome, u64)> {
        let ended = lock(&self.ended);
        ended.iter().map(|((service, outcome), count)| (service.clone(), *outcome, *count)).collect()
    }

    /// Returns a receiver that changes after each write to a rollout that this process has seen.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.writes.subscribe()
    }
}

/// Summarizes a rollout for metrics. `tick_age` is the time since its leader wrote last.
fn status(rollout: &RolloutView, tick_age: Duration, replica: &str) -> RolloutStatus {
    let guard = rollout.guard();
    let odds = guard.measures().iter().map(|measure| (*measure, guard.odds(&rollout.evidence, *measure)));
    RolloutStatus {
        id: rollout.stored.id.clone(),
        service: rollout.stored.service.clone(),
        phase: rollout.state.phase().as_str(),
        step: rollout.state.number(),
        steps: rollout.plan.stages(),
        odds: odds.collect(),
        leads: rollout.stored.leader.as_deref() == Some(replica),
        tick_age,
    }
}
