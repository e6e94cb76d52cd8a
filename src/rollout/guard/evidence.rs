//! The state of the guard.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::latency::PastLatencies;
use super::measure::Measure;
use super::totals::{Tally, Totals};
use super::wagers::Wagers;
use super::window::Window;
use crate::rollout::format::Format;

/// Windows in the last minute.
const MINUTE: usize = 6;

/// The state of the guard: what it has seen of a rollout.
///
/// It is a few kilobytes of JSON, so that a store keeps it and another gateway continues. Numbers are rounded before they are
/// written, so that they are read exactly: the evidence does not depend on which gateway observes. A form that a later
/// release wrote is refused.
///
/// See [`Guard`](super::Guard) for an example.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    format: Format<1>,
    /// The number of windows in this step.
    pub(super) windows: u64,
    /// Whether the others have no weight in this step.
    pub(super) alone: bool,
    /// The requests in this step.
    pub(super) step: Totals,
    /// The requests in all steps.
    pub(super) whole: Totals,
    /// The requests of the others in each window of the last minute, latest last.
    minute: VecDeque<Tally>,
    /// The bets of each measure.
    pub(super) bets: BTreeMap<Measure, Wagers>,
    /// For each limit, the bets against "no worse than the others".
    pub(super) plain: BTreeMap<Measure, Wagers>,
    /// The latencies of the others before the next window.
    pub(super) past: PastLatencies,
}

impl Evidence {
    /// Begins a step. The evidence stays, and new stakes join. In a step `alone`, where the others have no weight, the evidence
    /// about limits begins again: before it, the others were part of the comparison.
    pub fn begin_step(&mut self, alone: bool) {
        self.windows = 0;
        self.step = Totals::default();
        self.alone = alone;
        if alone {
            self.bets.remove(&Measure::ErrorLimit);
            self.bets.remove(&Measure::LatencyLimit);
            self.plain.clear();
        }
    }

    /// Forgets everything, for a canary or others that were replaced, and begins a step.
    pub fn clear(&mut self, alone: bool) {
        *self = Self { alone, ..Self::default() };
    }

    /// Returns the requests in this step.
    #[must_use]
    pub const fn step_totals(&self) -> Totals {
        self.step
    }

    /// Returns the requests in all steps, since the evidence was [cleared](Self::clear) last.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.whole
    }

    /// Returns the requests of the other versions in the last six windows, about a minute.
    #[must_use]
    pub fn last_minute(&self) -> Tally {
        let mut sum = Tally::default();
        for window in &self.minute {
            sum.requests = sum.requests.saturating_add(window.requests);
            sum.bad = sum.bad.saturating_add(window.bad);
        }
        sum
    }

    /// Adds a window to the totals of the step and of the rollout, and to the last minute of the other
    /// versions, by which the guard sees whether they are calm.
    pub(super) fn count(&mut self, window: &Window) {
        self.windows = self.windows.saturating_add(1);
        self.step.add(window, self.alone);
        self.whole.add(window, self.alone);
        let mut stable = Tally::default();
        stable.add(&window.stable);
        self.minute.push_back(stable);
        if self.minute.len() > MINUTE {
            self.minute.pop_front();
        }
    }
}
