//! The one function that changes a state.

use super::draft::Draft;
use super::input::{Input, Occasion, Verb};
use super::others::Followed;
use super::refused::Refused;
use super::state::State;
use super::transition::Transition;
use crate::rollout::plan::Plan;
use crate::routing::Split;

impl State {
    /// Returns what `input` does to the rollout, whose service has the split `split`. See [`State`] for an example.
    ///
    /// Changes of others come first. If they pause or end the rollout, that is all that happens, except for an abort.
    ///
    /// # Errors
    ///
    /// [`Refused`] says why nothing happens. A tick is refused only when the rollout is over.
    pub fn step(&self, plan: &Plan, split: &Split, input: &Input) -> Result<Transition, Refused> {
        if self.is_over() {
            return Err(Refused::Over);
        }
        let mut draft = Draft::new(plan, self, split, input);
        match (draft.follow_others(), &input.occasion) {
            (Followed::Nothing, Occasion::Tick(tick)) => draft.tick(tick),
            (Followed::Nothing, Occasion::Order(order)) => draft.obey(order)?,
            (Followed::Pauses, Occasion::Order(order)) if matches!(order.verb, Verb::Abort { .. }) => {
                draft.obey(order)?;
            }
            (Followed::Pauses | Followed::Ends, _) => {}
        }
        Ok(draft.finish())
    }
}
