//! What a leading gateway remembers of a rollout between two ticks.

use std::time::Duration;

use tokio::time::Instant;

use super::asks::Asks;
use super::facts::{AllFigures, ComparedRequests};
use super::view::RolloutView;
use crate::rollout::{Baseline, Phase, Window};
use crate::routing::Split;

/// The shortest window of evidence. A tick may come a little before its end, and the next one would come long after
/// it.
const SHORTEST: Duration = Duration::from_millis(7_500);

/// What a leading gateway remembers of one rollout. Another leader begins without it, and loses the window under way.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The figures at the beginning of the window.
    baseline: Baseline,
    /// The window of evidence under way. `None` until all gateways serve the weights.
    window: Option<OpenWindow>,
    /// Whether the last tick changed the weights. Gateways load and report that soon, so the next window may begin long before
    /// the next usual tick.
    pub(super) has_changed: bool,
    /// The gateways that reported no latencies at the end of the last window, if the plan compares them.
    pub(super) unmeasured: Vec<String>,
    /// The questions to the gates of the present stage.
    pub(super) asks: Asks,
    /// Why the last write was refused: a version that would have got traffic is not healthy.
    pub(super) unhealthy: Option<String>,
}

/// A window of evidence that has begun, and is of the requests under these weights in this stage.
#[derive(Clone, Copy, Debug)]
struct OpenWindow {
    /// The generation of the split.
    generation: u64,
    /// The number of the stage.
    number: usize,
    /// When it began.
    began: Instant,
}

impl Watch {
    /// Returns whether the figures of the gateways are needed now: a window is over, or one can begin.
    ///
    /// The first window of a stage begins as soon as all gateways serve its weights. Each second until then is a second more
    /// in which a bad canary keeps its users.
    pub(super) fn is_due(&self, rollout: &RolloutView, converged: bool) -> bool {
        match self.open_window(rollout.state.generation(), rollout.state.number()) {
            Some(window) => window.is_over(),
            None => converged,
        }
    }

    /// Returns the time until the window of evidence under way has its full length. `None` if none is under way.
    pub(super) fn window_ends_in(&self) -> Option<Duration> {
        self.window.map(|window| Window::LENGTH.saturating_sub(window.began.elapsed()))
    }

    /// Returns the window under way, unless it began under another generation of the split or in another stage.
    fn open_window(&self, generation: u64, number: usize) -> Option<OpenWindow> {
        self.window.filter(|window| window.generation == generation && window.number == number)
    }

    /// Ends the window under way, begins the next one, and lets the guard observe the one that ended. Returns whether
    /// the evidence has it.
    ///
    /// It has not if the split or the stage changed in the window, if not all gateways serve the split, or if the
    /// phase is not judged. A window that is not over goes on: the figures were read for another rollout.
    pub(super) fn observe(
        &mut self,
        rollout: &mut RolloutView,
        split: &Split,
        converged: bool,
        reported: &AllFigures,
    ) -> bool {
        let (generation, number) = (split.generation(), rollout.state.number());
        let window = self.open_window(generation, number).filter(|_| converged);
        if window.is_some_and(|window| !window.is_over()) {
            return false;
        }
        self.window = converged.then(|| OpenWindow { generation, number, began: Instant::now() });
        let is_mirrored = !rollout.state.mirror(&rollout.plan).is_zero();
        let compared = if is_mirrored { ComparedRequests::Copies } else { ComparedRequests::Users };
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

impl OpenWindow {
    /// Returns whether the window is long enough to count, though it may be a little shorter than [`Window::LENGTH`].
    fn is_over(self) -> bool {
        self.began.elapsed() >= SHORTEST
    }
}

/// Returns whether the guard judges in this phase. Before the first stage and on the way back there is no stake for a
/// window.
fn is_judged(rollout: &RolloutView) -> bool {
    let is_watched = matches!(rollout.state.phase(), Phase::Holding | Phase::Gated | Phase::Paused { .. });
    is_watched && rollout.state.number() > 0
}
