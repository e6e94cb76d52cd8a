//! What time does to a rollout.

use std::time::Duration;

use super::draft::Draft;
use super::event::EventKind;
use super::gate_answer::GateAnswer;
use super::input::Tick;
use super::phase::{Outcome, PauseReason, Phase};
use crate::rollout::guard::{Lack, Verdict};
use crate::rollout::plan::{WhenFailed, WhenInconclusive};

/// The names that an event lists.
const MAX_NAMES: usize = 3;

impl Draft<'_> {
    /// Lets time pass. On the way back, that is all. Otherwise gates open first, then a failure counts, and then the
    /// phase goes on. So a failure that is found in the tick in which a gate opens still counts.
    pub(super) fn tick(&mut self, tick: &Tick) {
        if let Phase::Returning(_) = self.state.phase {
            return self.tick_return(tick);
        }
        self.open_gates(tick);
        self.record_unmeasured(tick);
        if let Some(finding) = failure(tick)
            && self.convict(finding)
        {
            return;
        }
        match self.state.phase {
            Phase::Waiting => self.tick_waiting(tick),
            Phase::Holding => self.tick_holding(tick),
            Phase::Gated => self.tick_gated(tick),
            _ => {}
        }
    }

    /// Makes the next change of the way back if the one before was held long enough, or if it is pending.
    fn tick_return(&mut self, tick: &Tick) {
        self.state.held = self.state.held.saturating_add(self.elapsed);
        let Phase::Returning(back) = self.state.phase else { return };
        if back.pending || self.state.held >= self.plan.back().hold {
            self.lower(tick.target_usable);
        }
    }

    /// Opens the gates that answered so, of those that are to be asked in this phase.
    fn open_gates(&mut self, tick: &Tick) {
        for (gate, answer) in &tick.answers {
            let is_asked = self.state.gates_to_ask(self.plan).any(|asked| asked == gate);
            if *answer == GateAnswer::Open && is_asked {
                self.state.opened.insert(gate.clone());
                self.record(EventKind::GateOpen, format!("the gate {gate} is open"));
            }
        }
    }

    /// Records once that gateways do not report latencies.
    fn record_unmeasured(&mut self, tick: &Tick) {
        if !tick.unmeasured.is_empty() && !self.state.unmeasured {
            self.state.unmeasured = true;
            let text = format!("slower requests are not found: no latencies from {}", list(&tick.unmeasured));
            self.record(EventKind::Unmeasured, text);
        }
    }

    /// Reacts to evidence against the canary, or to a gate that failed. Returns whether the rollout goes back or
    /// pauses for it; then nothing else happens in this tick.
    fn convict(&mut self, finding: String) -> bool {
        match self.reaction() {
            WhenFailed::Return => {
                self.record(EventKind::Failed, finding);
                self.go_back(Outcome::RolledBack, "the canary failed");
                true
            }
            WhenFailed::Pause => {
                if !matches!(self.state.phase, Phase::Paused { why: PauseReason::Failed { .. }, .. }) {
                    self.record(EventKind::Failed, finding.clone());
                    self.pause(PauseReason::Failed { finding });
                }
                true
            }
            WhenFailed::Tell => {
                if !self.state.recorded.failed {
                    self.state.recorded.failed = true;
                    self.record(EventKind::Failed, finding);
                }
                false
            }
        }
    }

    /// Returns the reaction of the plan to a failure. After a change of weights by a person it is
    /// [`WhenFailed::Tell`]: their weights stay, whatever the guard finds.
    fn reaction(&self) -> WhenFailed {
        match self.state.phase {
            Phase::Paused { why: PauseReason::Changed { .. }, .. } => WhenFailed::Tell,
            _ => self.plan.guard().when_failed,
        }
    }

    /// Enters the first stage, unless a gate of the start is closed.
    fn tick_waiting(&mut self, tick: &Tick) {
        let gate = self.closed_gate();
        self.go_on_unless(gate, tick);
    }

    /// Lets the hold go on. The stage passes after its hold with the verdict `pass`; until then its deadline runs.
    /// The hold stands still while some gateway does not serve the weights: the stage has not begun there.
    fn tick_holding(&mut self, tick: &Tick) {
        let hold = self.plan.stage(self.state.number).map_or(Duration::ZERO, |stage| stage.hold);
        if tick.converged {
            self.state.held = self.state.held.saturating_add(self.elapsed);
        }
        let lack = match &tick.verdict {
            _ if !tick.converged => Lack::NotConverged,
            Verdict::Pass { .. } if self.state.held >= hold => {
                self.state.phase = Phase::Gated;
                return;
            }
            Verdict::Open(lack) | Verdict::Inconclusive(lack) => lack.clone(),
            Verdict::Pass { .. } => Lack::HoldUnfinished,
            // The plan only records it, or else the rollout would not be here.
            Verdict::Fail(_) => Lack::CanaryFails,
        };
        self.run_deadline(&lack);
    }

    /// Enters the next stage once the gates of this one are open and the other versions are calm.
    fn tick_gated(&mut self, tick: &Tick) {
        let lack = self.closed_gate().or_else(|| (!tick.calm).then_some(Lack::StableFails));
        self.go_on_unless(lack, tick);
    }

    /// Returns the first gate before the next stage that has not opened, as what the stage lacks.
    fn closed_gate(&self) -> Option<Lack> {
        let gate = self.state.closed_gate(self.plan);
        gate.map(|gate| Lack::GateClosed(gate.to_string()))
    }

    /// Goes on with the next stage in a window of time, unless the present stage lacks something and was not
    /// accepted. While it lacks something, its deadline runs.
    fn go_on_unless(&mut self, lack: Option<Lack>, tick: &Tick) {
        if !self.plan.is_window_open(self.at) {
            // The deadline does not run: nobody can open a window of time.
            return self.record_waiting("waits for a window of time");
        }
        let lack = lack.filter(|_| !self.state.accepted);
        match lack.or_else(|| self.try_next(tick)) {
            Some(Lack::CanaryUnusable(why)) => {
                self.record_stuck(&why);
                self.run_deadline(&Lack::CanaryUnusable(why));
            }
            Some(lack) => {
                self.record_waiting(&format!("waits: {lack}"));
                self.run_deadline(&lack);
            }
            None => {}
        }
    }

    /// Goes on with the next stage. Returns why that is impossible, or `None` after it was done.
    fn try_next(&mut self, tick: &Tick) -> Option<Lack> {
        if let Some(why) = &tick.canary_unusable {
            return Some(Lack::CanaryUnusable(why.clone()));
        }
        self.go_on().err().map(|error| Lack::CanaryUnusable(error.to_string()))
    }

    /// Adds an event for a wait, once per stage and not with each tick.
    fn record_waiting(&mut self, text: &str) {
        if !self.state.recorded.waiting {
            self.state.recorded.waiting = true;
            self.record(EventKind::GateWaiting, text);
        }
    }

    /// Counts down to the deadline, and when it is reached does what the plan says about a stage with this lack. A
    /// stage that was accepted has no deadline.
    fn run_deadline(&mut self, lack: &Lack) {
        self.state.left = self.state.left.saturating_sub(self.elapsed);
        if !self.state.left.is_zero() || self.state.accepted {
            return;
        }
        self.record(EventKind::Inconclusive, lack.to_string());
        match self.plan.guard().when_inconclusive {
            WhenInconclusive::Pause => self.pause(PauseReason::Inconclusive { lack: lack.to_string() }),
            WhenInconclusive::Return => self.go_back(Outcome::RolledBack, "the step is inconclusive"),
            WhenInconclusive::Advance => self.accept(),
        }
    }

    /// Counts the stage as passed, and its gates as open.
    pub(super) fn accept(&mut self) {
        self.state.accepted = true;
        if self.state.phase == Phase::Holding {
            self.state.phase = Phase::Gated;
        }
    }
}

/// Returns the evidence against the canary, or the reason of a gate that failed.
fn failure(tick: &Tick) -> Option<String> {
    if let Verdict::Fail(finding) = &tick.verdict {
        return Some(finding.to_string());
    }
    tick.answers.iter().find_map(|(gate, answer)| match answer {
        GateAnswer::Fail(why) => Some(format!("the gate {gate} failed: {why}")),
        _ => None,
    })
}

/// Lists the first names, and how many more there are.
fn list(names: &[String]) -> String {
    let shown = names.get(..MAX_NAMES).unwrap_or(names);
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
