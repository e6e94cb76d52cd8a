//! The way back to the weights of the start.

use std::time::Duration;

use super::draft::Draft;
use super::event::EventKind;
use super::phase::{Outcome, Phase, Resumable, Return};
use super::state::StartWeight;
use crate::routing::{Change, ChangeError, Split, VersionName, Weight};

impl Draft<'_> {
    /// Begins the way back by the plan. Its first change is made at once, if no version needs a probe for it.
    pub(super) fn go_back(&mut self, outcome: Outcome, why: &str) {
        self.begin_return(0, outcome, why);
        self.lower(None);
    }

    /// Goes back at once, without the weights on the way. With `force`, even to versions that are not usable. The
    /// outcome is [`Outcome::Aborted`], or the one of the way back that is under way.
    pub(super) fn abort(&mut self, force: bool, why: &str) {
        self.forced = force;
        // A rollback that a person hastens stays a rollback.
        let outcome = match self.state.phase.resumable() {
            Some(Resumable::Returning(back)) => back.outcome,
            _ => Outcome::Aborted,
        };
        self.begin_return(self.plan.back().steps.len(), outcome, why);
        self.lower(force.then_some(true));
    }

    /// Begins the way back at the position `next` among its weights. The mirror ends at once: no user gets the response to
    /// a copy.
    fn begin_return(&mut self, next: usize, outcome: Outcome, why: &str) {
        self.state.phase = Phase::Returning(Return { next, outcome, pending: true });
        self.state.held = Duration::ZERO;
        self.state.recorded.stuck = false;
        self.end_mirror();
        self.record(EventKind::Returning, why);
    }

    /// Makes the next change of the way back: the next lower weight of the plan, or the weights of the start if the
    /// plan has no such weight, or it cannot be set. The last change ends the rollout. If the change needs a probe
    /// first, it stays pending.
    ///
    /// `target_usable` is the result of the probes of the versions that get traffic again. `None`: they were not
    /// probed.
    pub(super) fn lower(&mut self, target_usable: Option<bool>) {
        let Phase::Returning(back) = self.state.phase else { return };
        if let Some((after, weight)) = self.next_lower(back.next) {
            let change = Change::set_weight(self.plan.version().clone(), weight);
            if self.try_back(change, target_usable) == Attempt::Made {
                self.state.phase = Phase::Returning(Return { next: after, pending: false, ..back });
                self.state.held = Duration::ZERO;
                return;
            }
        }
        self.restore(back, target_usable);
    }

    /// Returns the first weight of the way back, from the position `next` on, that is below the present one, and the
    /// position behind it.
    fn next_lower(&self, next: usize) -> Option<(usize, Weight)> {
        let present = self.state.canary_weight(&self.split);
        let steps = (1..).zip(&self.plan.back().steps).skip(next);
        steps.map(|(after, weight)| (after, *weight)).find(|(_, weight)| *weight < present)
    }

    /// Brings back the weights of the start, and ends the rollout. If that needs a probe, or is refused, the change
    /// stays pending: each tick tries again, and the first failure is recorded as `stuck`.
    fn restore(&mut self, back: Return, target_usable: Option<bool>) {
        self.state.phase = Phase::Returning(Return { pending: true, ..back });
        let mut refusal = None;
        for change in self.restoring_changes() {
            match self.try_back(change, target_usable) {
                Attempt::Made => return self.finish_return(back.outcome),
                Attempt::Refused(error) => refusal = Some(error),
                Attempt::NeedsProbe if target_usable.is_none() => return,
                Attempt::NeedsProbe => {
                    return self.record_stuck("the versions that would get traffic are not usable");
                }
            }
        }
        if let Some(error) = refusal {
            self.record_stuck(&error.to_string());
        }
    }

    /// Ends the rollout after the weights of the start are back, and the pins of users to the canary.
    fn finish_return(&mut self, outcome: Outcome) {
        // By the peak and not by the changes of this input: an earlier step of the way back may have reached the
        // weight of the start already, and a person may have done so.
        if self.pins && self.state.peak > self.state.canary_weight(&self.split) {
            // Or else users stay pinned to the version that failed. It cannot be refused here: the service exists.
            let _ = self.change(Change::Redraw);
        }
        self.over(outcome, "the weights of the start are back");
    }

    /// Returns the changes that would bring back the weights of the start, the best first: all weights, unless a
    /// version that had one is gone; the weight of the canary alone; and the canary at 0.
    fn restoring_changes(&self) -> Vec<Change> {
        let start = &self.state.start.weights;
        let own = start.get(self.plan.version()).map_or(Weight::ZERO, |start| start.weight);
        let mut changes = Vec::new();
        if start.iter().all(|(name, start)| is_restorable(&self.split, name, *start)) {
            let weights = start.iter().filter(|(_, start)| !start.weight.is_zero());
            changes.push(Change::set_weights(weights.map(|(name, start)| (name.clone(), start.weight))));
        }
        changes.push(Change::set_weight(self.plan.version().clone(), own));
        if !own.is_zero() {
            changes.push(Change::set_weight(self.plan.version().clone(), Weight::ZERO));
        }
        changes
    }

    /// Makes a change, unless the rules refuse it or it would give traffic to a version without any, which is not
    /// probed or did not pass.
    fn try_back(&mut self, change: Change, target_usable: Option<bool>) -> Attempt {
        let after = match self.split.apply(&change, self.at) {
            Ok(after) => after,
            Err(error) => return Attempt::Refused(error),
        };
        if target_usable != Some(true) && self.split.newly_serving(&after).next().is_some() {
            return Attempt::NeedsProbe;
        }
        match self.change(change) {
            Ok(()) => Attempt::Made,
            Err(error) => Attempt::Refused(error),
        }
    }
}

/// What became of one change on the way back.
#[derive(Debug, PartialEq)]
enum Attempt {
    /// It is made, or the split was so already.
    Made,
    /// The rules of the split refuse it.
    Refused(ChangeError),
    /// A version would get traffic that was not probed, or is not usable.
    NeedsProbe,
}

/// Returns whether the version `name` can have its weight of the start again: the weight is 0, or the version is
/// still the same one and active.
fn is_restorable(split: &Split, name: &VersionName, start: StartWeight) -> bool {
    let version = split.version(name.as_str()).filter(|version| version.id == start.id);
    start.weight.is_zero() || version.is_some_and(|version| version.active)
}
