//! What a leading gateway remembers of a rollout between two ticks.

use std::time::Duration;

use tokio::time::Instant;

use super::asks::Asks;
use super::facts::{AllFigures, Compared};
use super::view::RolloutView;
use crate::rollout::{Baseline, Phase, Window};
use crate::routing::Split;

/// The shortest window. A tick may come a little before the end of a window, and the next one would come long after it.
const SHORTEST: Duration = Duration::from_millis(7_500);

/// What a leading gateway remembers of one rollout. Another leader begins without it, and loses the window under way.
#[derive(Debug, Default)]
pub(super) struct Watch {
    baseline: Baseline,
    /// The window under way. `None` until all gateways serve the weights.
    window: Option<UnderWay>,
    /// Whether the last tick changed the weights. Gateways load and report that soon, so the next window may begin long before
    /// the next usual tick.
    pub(super) has_changed: bool,
    /// The gateways that reported no latencies at the end of the last window, if the plan compares them.
    pub(super) unmeasured: Vec<String>,
    pub(super) asks: Asks,
    /// Why the last write was refused: a version that would have got traffic is not healthy.
    pub(super) unhealthy: Option<String>,
}

/// A window that has begun.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    /// The generation of the split.
    generation: u64,
    /// The number of the stage.
    number: usize,
    began: Instant,
}

impl Watch {
    /// Returns whether the figures are needed now: a window is over, or one can begin.
    ///
    /// The first window of a stage begins as soon as all gateways serve its weights. Each second until then is a second more
    /// in which a bad canary keeps its users.
    pub(super) fn is_due(&self, rollout: &RolloutView, converged: bool) -> bool {
        match self.of_stage(rollout.state.generation(), rollout.state.number()) {
            Some(window) => window.is_over(),
            None => converged,
        }
    }

    /// Returns the time until the window under way is over.
    pub(super) fn time_left(&self) -> Option<Duration> {
        self.window.map(|window| Window::LENGTH.saturating_sub(window.began.elapsed()))
    }

    /// Returns the window under way if it has these weights and this stage.
    fn of_stage(&self, generation: u64, number: usize) -> Option<UnderWay> {
        self.window.filter(|window| window.generation == generation && window.number == number)
    }

    /// Ends the window under way and lets the guard observe it, unless weights changed in it. Returns whether it did.
    ///
    /// A window that is not over goes on: the figures were read for another rollout.
    pub(super) fn observe(
        &mut self,
        rollout: &mut RolloutView,
        split: &Split,
        converged: bool,
        reported: &AllFigures,
    ) -> bool {
        let (generation, number) = (split.generation(), rollout.state.number());
        let window = self.of_stage(generation, number).filter(|_| converged);
        if window.is_some_and(|window| !window.is_over()) {
            return false;
        }
        self.window = converged.then(|| UnderWay { generation, number, began: Instant::now() });
        let is_mirrored = !rollout.state.mirror(&rollout.plan).is_zero();
        let compared = if is_mirrored { Compared::Copies } else { Compared::Users };
        let canary = rollout.state.canary();
        let figures = reported.compared_figures(split, canary, compared);
        let is_measured = rollout.plan.guard().latency.is_some();
        self.unmeasured = if is_measured { reported.unmeasured(split, canary, compared) } else { Vec::new() };
        if window.is_none() || !is_judged(rollout) {
            self.baseline.restart(&figures);
            return false;
        }
        let window = self.baseline.window(&figures);
        rollout.guard().observe(&mut rollout.evidence, &window);
        true
    }
}

impl UnderWay {
    fn is_over(self) -> bool {
        self.began.elapsed() >= SHORTEST
    }
}

/// Returns whether the guard judges. Before the first stage and on the way back there is no stake for a window.
fn is_judged(rollout: &RolloutView) -> bool {
    let is_watched = matches!(rollout.state.phase(), Phase::Holding | Phase::Gated | Phase::Paused { .. });
    is_watched && rollout.state.number() > 0
}
