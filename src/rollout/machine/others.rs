//! Changes of the split that somebody else made.

use super::draft::Draft;
use super::input::{Input, Tick};
use super::phase::{Outcome, PauseReason, Phase};
use super::seen::{Difference, Seen};
use super::state::State;
use super::transition::EvidenceUse;
use crate::rollout::plan::Plan;
use crate::routing::{MirrorShare, Split};

/// What a change of somebody else did to the rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// Nothing.
    Nothing,
    /// It pauses now.
    Pauses,
    /// It is over now.
    Ends,
}

impl State {
    /// Returns the phase that the rollout has once it has followed the changes of others in `split`. See
    /// [changes of others](State#changes-of-others) for the rule.
    ///
    /// ```
    /// # use std::time::SystemTime;
    /// # use tower_canary::rollout::{Input, Plan, State, Tick};
    /// # use tower_canary::routing::{Change, Split};
    /// # let at = SystemTime::UNIX_EPOCH;
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
    /// #     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?;
    /// let plan = Plan::new("v1.1".parse()?);
    /// let state = State::start(&plan, &split, at, "alice")?.state;
    /// let changed = split.apply(&Change::set_weight("v1.1".parse()?, "30".parse()?), at)?;
    /// assert_eq!(state.phase_after(&plan, &changed).as_str(), "paused");
    /// assert_eq!(state.phase_after(&plan, &split).as_str(), "waiting");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn phase_after(&self, plan: &Plan, split: &Split) -> Phase {
        if self.is_over() {
            return self.phase.clone();
        }
        let input = Input::tick(self.ticked_at, Tick::default());
        let mut draft = Draft::new(plan, self, split, &input);
        draft.follow_others();
        draft.state.phase
    }
}

impl Draft<'_> {
    /// Follows changes of others since the last input. They are never undone here.
    pub(super) fn follow_others(&mut self) -> Followed {
        if self.split.generation() == self.state.seen.generation {
            return Followed::Nothing;
        }
        let now = Seen::from_split(&self.split, self.state.canary);
        let actor =
            self.split.last_change().map_or_else(|| "somebody else".to_owned(), |last| last.actor.clone());
        match self.state.seen.difference(&now) {
            Difference::None if self.has_lost_mirror() => {
                self.state.mirrors = false;
                self.pause_for_change(actor)
            }
            Difference::None => Followed::Nothing,
            Difference::CanaryOut => {
                self.over(Outcome::Aborted, &format!("{actor} took the traffic of the canary"));
                Followed::Ends
            }
            Difference::CanaryFull => {
                self.over(Outcome::Completed, &format!("{actor} gave the canary all traffic"));
                Followed::Ends
            }
            Difference::Replaced => {
                let alone = self.plan.stage(self.state.number).is_some_and(|stage| stage.is_alone());
                self.evidence = EvidenceUse::Clear { alone };
                self.pause(PauseReason::Replaced { actor });
                Followed::Pauses
            }
            Difference::Changed => self.pause_for_change(actor),
        }
    }

    /// Returns whether the mirror of the stage is not the one of the split any more.
    fn has_lost_mirror(&self) -> bool {
        let share = self.state.mirror(self.plan);
        let own = MirrorShare::new(self.plan.version().clone(), share);
        self.state.mirrors && self.split.mirror() != Some(&own)
    }

    /// Pauses after a change of weights. A pause that asks for more when it ends stays as it is.
    fn pause_for_change(&mut self, actor: String) -> Followed {
        use PauseReason::{Changed, Failed, Replaced};
        if let Phase::Paused { why: Changed { .. } | Failed { .. } | Replaced { .. }, .. } = self.state.phase
        {
            return Followed::Nothing;
        }
        self.pause(Changed { actor });
        Followed::Pauses
    }
}
