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

/// The least requests of the others from which quantiles are taken.
const LEAST: u64 = 100;

/// The windows in a block: a minute.
const BLOCK: u32 = 6;
/// The blocks that thresholds are taken from: five minutes with the one under way. The oldest is dropped for a new
/// one, so the thresholds follow a load that changes during the day.
const BLOCKS: usize = 5;

/// The latencies of the other versions in the five minutes before a window, in blocks of a minute.
///
/// Thresholds come from the past alone: a threshold from the window itself would depend on the requests that are compared at
/// it, and the bets would not be fair.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct PastLatencies {
    /// The oldest first, at most [`BLOCKS`].
    blocks: VecDeque<Block>,
}

/// The latencies of several windows together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Block {
    /// How many windows are in it, at most [`BLOCK`].
    windows: u32,
    /// The sum of their latencies.
    latencies: Latencies,
}

/// A time above which a request counts as slow, on each side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Threshold {
    canary: Edge,
    stable: Edge,
}

impl PastLatencies {
    /// Adds the latencies of the others in a window. A block that is too old is forgotten.
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

    /// Returns the thresholds for the next window, one for each of [`QUANTILES`]. `None` for each while there are
    /// fewer than [`LEAST`] requests.
    pub(super) fn thresholds(&self, policy: &LatencyPolicy) -> [Option<Threshold>; 3] {
        let mut all = Latencies::default();
        for block in &self.blocks {
            all.add_all(&block.latencies);
        }
        let is_enough = all.count() >= LEAST;
        QUANTILES.map(|quantile| {
            let edge = all.quantile_edge(quantile).filter(|_| is_enough)?;
            Some(Threshold { canary: Edge::at_least(tolerated(edge.time(), policy)), stable: edge })
        })
    }
}

/// Returns the time above which a request of the canary is slow, where the others have the quantile `time`.
fn tolerated(time: Duration, policy: &LatencyPolicy) -> Duration {
    // Times are below 138 s and factors at most 100, so the product is a `Duration`.
    time.mul_f64(policy.times_worse).max(time.saturating_add(policy.at_least))
}

impl Threshold {
    /// Returns the threshold of a limit, which is the same on both sides.
    pub(super) fn at(limit: Duration) -> Self {
        let edge = Edge::at_least(limit);
        Self { canary: edge, stable: edge }
    }

    /// Counts the requests of a window that have a latency, and the slow ones among them, on both sides.
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
