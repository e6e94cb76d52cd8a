//! Latencies as counts: requests above a threshold.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::claim::Trial;
use super::window::Window;
use crate::rollout::plan::LatencyPolicy;
use crate::traffic::{Edge, Latencies};

/// The quantiles of the others at which the canary is compared.
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// The requests of the others that the quantiles need.
const LEAST: u64 = 100;

/// Windows in a block, and blocks in the past: together five minutes.
const BLOCK: u32 = 6;
/// How many blocks of past windows the thresholds are taken from. The oldest is dropped for a new one, so
/// they follow a load that changes during the day.
const BLOCKS: usize = 5;

/// The latencies of the other versions in the five minutes before a window, in blocks of a minute.
///
/// Thresholds come from the past alone: a threshold from the window itself would depend on the requests that are compared at
/// it, and the bets would not be fair.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Past {
    blocks: VecDeque<Block>,
}

/// The latencies of several windows together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Block {
    windows: u32,
    latencies: Latencies,
}

/// A time above which a request counts as slow, on each side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Threshold {
    canary: Edge,
    stable: Edge,
}

impl Past {
    /// Adds the latencies of a window, and forgets latencies that are older than five minutes.
    pub(super) fn add(&mut self, latencies: &Latencies) {
        if self.blocks.back().is_none_or(|block| block.windows >= BLOCK) {
            self.blocks.push_back(Block::default());
        }
        if self.blocks.len() > BLOCKS {
            self.blocks.pop_front();
        }
        if let Some(block) = self.blocks.back_mut() {
            block.windows += 1;
            block.latencies.add_all(latencies);
        }
    }

    /// Returns the thresholds for the next window. `None` for each of them while there are too few requests.
    pub(super) fn thresholds(&self, policy: &LatencyPolicy) -> [Option<Threshold>; 3] {
        let mut all = Latencies::default();
        for block in &self.blocks {
            all.add_all(&block.latencies);
        }
        let is_enough = all.count() >= LEAST;
        QUANTILES.map(|quantile| {
            let edge = all.quantile_edge(quantile).filter(|_| is_enough)?;
            Some(Threshold { canary: Edge::at_least(slower(edge.time(), policy)), stable: edge })
        })
    }
}

/// Returns the time that is tolerated where the others take `time`.
fn slower(time: Duration, policy: &LatencyPolicy) -> Duration {
    // Times are below 138 s and factors at most 100.
    time.mul_f64(policy.times_worse).max(time.saturating_add(policy.at_least))
}

impl Threshold {
    /// Returns the threshold of a limit, which is the same on both sides.
    pub(super) fn at(limit: Duration) -> Self {
        let edge = Edge::at_least(limit);
        Self { canary: edge, stable: edge }
    }

    /// Counts the slow requests of a window.
    pub(super) fn trial(self, window: &Window) -> Trial {
        let canary = &window.canary.latencies;
        let stable = &window.stable.latencies;
        Trial::new((canary.count(), canary.above(self.canary)), (stable.count(), stable.above(self.stable)))
    }
}

/// Returns a window without requests, which is no evidence.
pub(super) fn no_trial() -> Trial {
    Trial::new((0, 0), (0, 0))
}
