//! What a leading gateway remembers of a rollout between two ticks.

use super::asks::Asks;
use super::facts::{AllFigures, Compared};
use super::view::RolloutView;
use crate::rollout::{Baseline, Phase};
use crate::routing::Split;

/// What a leading gateway remembers of one rollout. Another leader begins without it, and loses the window under way.
#[derive(Debug, Default)]
pub(super) struct Watch {
    baseline: Baseline,
    /// The generation and the stage of the window under way.
    window: Option<(u64, usize)>,
    /// The gateways that reported no latencies at the end of the last window, if the plan compares them.
    pub(super) unmeasured: Vec<String>,
    pub(super) asks: Asks,
    /// Why the last write was refused: a version that would have got traffic is not healthy.
    pub(super) unhealthy: Option<String>,
}

impl Watch {
    /// Ends the window under way and lets the guard observe it, unless weights changed in it. Returns whether it did.
    pub(super) fn observe(
        &mut self,
        rollout: &mut RolloutView,
        split: &Split,
        converged: bool,
        reported: &AllFigures,
    ) -> bool {
        let is_mirrored = !rollout.state.mirror(&rollout.plan).is_zero();
        let compared = if is_mirrored { Compared::Copies } else { Compared::Users };
        let canary = rollout.state.canary();
        let figures = reported.compared_figures(split, canary, compared);
        let is_measured = rollout.plan.guard().latency.is_some();
        self.unmeasured = if is_measured { reported.unmeasured(split, canary, compared) } else { Vec::new() };
        let window = (split.generation(), rollout.state.number());
        let is_whole = converged && self.window == Some(window);
        self.window = converged.then_some(window);
        if !is_whole || !is_judged(rollout) {
            self.baseline.restart(&figures);
            return false;
        }
        let window = self.baseline.window(&figures);
        rollout.guard().observe(&mut rollout.evidence, &window);
        true
    }
}

/// Returns whether the guard judges. Before the first stage and on the way back there is no stake for a window.
fn is_judged(rollout: &RolloutView) -> bool {
    let is_watched = matches!(rollout.state.phase(), Phase::Holding | Phase::Gated | Phase::Paused { .. });
    is_watched && rollout.state.number() > 0
}
