//! The one function that changes a state.

use super::draft::Draft;
use super::input::{Input, Occasion, Verb};
use super::interference::Interference;
use super::refused::Refused;
use super::state::State;
use super::transition::Transition;
use crate::rollout::plan::Plan;
use crate::routing::Split;

impl State {
    /// Returns what `input` does to the rollout, whose service has the split `split`. See [`State`] for an example.
    ///
    /// Changes of others come first. If they pause or end the rollout, that is all that happens, and the transition
    /// is [`interfered`](Transition::interfered). An abort is carried out all the same, unless the rollout is over.
    ///
    /// # Errors
    ///
    /// [`Refused`] says why nothing happens. A tick is refused only when the rollout is over.
    pub fn step(&self, plan: &Plan, split: &Split, input: &Input) -> Result<Transition, Refused> {
        if self.is_over() {
            return Err(Refused::Over);
        }
        let mut draft = Draft::new(plan, self, split, input);
        let interference = draft.follow_others();
        draft.interfered = interference != Interference::None;
        match (interference, &input.occasion) {
            (Interference::None, Occasion::Tick(tick)) => draft.tick(tick),
            (Interference::None, Occasion::Order(order)) => draft.obey(order)?,
            (Interference::Pause, Occasion::Order(order)) if matches!(order.verb, Verb::Abort { .. }) => {
                draft.obey(order)?;
            }
            (Interference::Pause | Interference::End, _) => {}
        }
        Ok(draft.finish())
    }
}
