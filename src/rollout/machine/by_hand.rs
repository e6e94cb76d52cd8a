//! What people do with a rollout.

use super::draft::Draft;
use super::event::EventKind;
use super::input::{Order, Verb};
use super::phase::{PauseReason, Phase, Resumable};
use super::refused::Refused;
use super::transition::EvidenceUse;
use crate::rollout::plan::GateName;

impl Draft<'_> {
    /// Carries out an order, and adds its reason to its first event.
    pub(super) fn obey(&mut self, order: &Order) -> Result<(), Refused> {
        // Not before: the events of changes of others are not of this person.
        self.actor = Some(order.actor.clone());
        self.carry_out(order)?;
        match (&order.reason, order.verb) {
            // The text of an abort has it already.
            (None, _) | (_, Verb::Abort { .. }) => {}
            (Some(reason), _) => self.add_reason(reason),
        }
        Ok(())
    }

    /// Carries out an order. After a refusal the caller drops the draft, so the rollout stays as it was.
    fn carry_out(&mut self, order: &Order) -> Result<(), Refused> {
        match order.verb {
            Verb::Approve { number } => self.approve(number),
            Verb::Advance { number } => self.advance(number),
            Verb::Pause => self.pause_by_hand(&order.actor),
            Verb::Resume => self.resume(),
            Verb::Promote => self.promote(),
            Verb::Abort { force } => {
                let reason = order.reason.as_deref();
                self.abort(
                    force,
                    &reason.map_or_else(|| "aborted".to_owned(), |why| format!("aborted: {why}")),
                );
                Ok(())
            }
        }
    }

    /// Opens the approval gate of the present stage. A second approval changes nothing and is no error.
    fn approve(&mut self, number: usize) -> Result<(), Refused> {
        self.check_number(number)?;
        let gate = self.state.gates(self.plan).iter().find(|gate| gate.is_approval());
        let Some(gate) = gate else { return Err(Refused::NothingToApprove { number }) };
        if self.is_returning() {
            return Err(self.wrong_phase(Verb::Approve { number }));
        }
        if self.state.opened.insert(GateName::clone(gate)) {
            self.record(EventKind::Approved, format!("step {number} is approved"));
        }
        Ok(())
    }

    /// Ends the present stage as if it had passed, whatever its hold, its gates and its evidence.
    fn advance(&mut self, number: usize) -> Result<(), Refused> {
        self.check_number(number)?;
        match &self.state.phase {
            Phase::Waiting | Phase::Holding | Phase::Gated => {}
            Phase::Paused { why: PauseReason::Inconclusive { .. }, .. } => {}
            _ => return Err(self.wrong_phase(Verb::Advance { number })),
        }
        Ok(self.go_on()?)
    }

    /// Pauses, unless the rollout pauses already for any reason: the first reason stays.
    fn pause_by_hand(&mut self, actor: &str) -> Result<(), Refused> {
        match &self.state.phase {
            Phase::Paused { .. } => Ok(()),
            Phase::Waiting | Phase::Holding | Phase::Gated => {
                self.pause(PauseReason::ByHand { actor: actor.to_owned() });
                Ok(())
            }
            Phase::Returning(_) | Phase::Over { .. } => Err(self.wrong_phase(Verb::Pause)),
        }
    }

    /// Continues in the phase before the pause, with what [`PauseReason`] says. Does nothing if the rollout does not
    /// pause.
    fn resume(&mut self) -> Result<(), Refused> {
        let Phase::Paused { from, why } = self.state.phase.clone() else { return Ok(()) };
        self.state.phase = from.into();
        self.record(EventKind::Resumed, format!("resumed after: {why}"));
        match why {
            PauseReason::ByHand { .. } => Ok(()),
            PauseReason::Inconclusive { .. } => {
                self.accept();
                Ok(())
            }
            PauseReason::Changed { .. } => self.set_stage_weight(from),
            PauseReason::Failed { .. } | PauseReason::Replaced { .. } => self.watch_again(from),
        }
    }

    /// Watches the stage again, without the evidence and the time so far. A start begins to wait again, and a way
    /// back goes on.
    fn watch_again(&mut self, from: Resumable) -> Result<(), Refused> {
        self.set_stage_weight(from)?;
        let stage = self.plan.stage(self.state.number);
        let alone = stage.as_ref().is_some_and(|stage| stage.is_alone());
        self.evidence = EvidenceUse::Clear { alone };
        if matches!(from, Resumable::Holding | Resumable::Gated) {
            self.state.phase = Phase::Holding;
        }
        let deadline = stage.map_or_else(|| self.plan.start_deadline(), |stage| stage.deadline);
        self.begin_watch(deadline);
        Ok(())
    }

    /// Sets the weight and the mirror of the present stage, which somebody else may have changed. Before the first
    /// stage and on the way back, nothing: the next change of the rollout sets the weight.
    fn set_stage_weight(&mut self, from: Resumable) -> Result<(), Refused> {
        let stage = self.plan.stage(self.state.number);
        match stage.filter(|_| matches!(from, Resumable::Holding | Resumable::Gated)) {
            Some(stage) => {
                self.set_weight(stage.weight)?;
                Ok(self.set_mirror(stage.mirror)?)
            }
            None => Ok(()),
        }
    }

    /// Enters the bake. In the bake already, resumes, which does nothing unless the rollout pauses.
    fn promote(&mut self) -> Result<(), Refused> {
        if self.is_returning() {
            return Err(self.wrong_phase(Verb::Promote));
        }
        let bake = self.plan.stages();
        if !self.plan.stage(bake).is_some_and(|stage| stage.is_bake) {
            return Err(Refused::NoPromotion);
        }
        if self.state.number == bake {
            return self.resume();
        }
        Ok(self.enter(bake)?)
    }

    /// Returns whether the rollout is on its way back, also while it pauses there, or over.
    fn is_returning(&self) -> bool {
        matches!(self.state.phase.resumable(), None | Some(Resumable::Returning(_)))
    }

    /// Returns [`Refused::StaleStep`] for an order about another stage than the present one: its sender looked at
    /// another state of the rollout.
    fn check_number(&self, given: usize) -> Result<(), Refused> {
        let present = self.state.number;
        if given == present { Ok(()) } else { Err(Refused::StaleStep { given, present }) }
    }

    /// Creates the refusal of an order that has no meaning in the present phase.
    fn wrong_phase(&self, verb: Verb) -> Refused {
        Refused::WrongPhase { phase: self.state.phase.as_str(), verb: verb.as_str() }
    }
}
