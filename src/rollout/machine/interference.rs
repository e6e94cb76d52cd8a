//! Changes of the split that somebody else made.

use super::draft::Draft;
use super::input::{Input, Tick};
use super::known_split::{Difference, KnownSplit};
use super::phase::{Outcome, PauseReason, Phase};
use super::state::State;
use super::transition::EvidenceUse;
use crate::rollout::plan::Plan;
use crate::routing::{MirrorShare, Split};

/// What changes of others did to the rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interference {
    /// Nothing: there were none, or the rollout goes on with them.
    None,
    /// The rollout pauses, now or for a later reason than before.
    Pause,
    /// The rollout is over now.
    End,
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
    /// Follows the changes that others made since the last input. They are never undone here.
    pub(super) fn follow_others(&mut self) -> Interference {
        if self.split.generation() == self.state.known_split.generation {
            return Interference::None;
        }
        let now = KnownSplit::from_split(&self.split, self.state.canary);
        let has_lost_mirror = self.has_lost_mirror();
        if has_lost_mirror {
            // Whatever else changed: the end of the rollout must not undo it.
            self.state.mirrors = false;
        }
        let actor =
            self.split.last_change().map_or_else(|| "somebody else".to_owned(), |last| last.actor.clone());
        match self.state.known_split.difference(&now) {
            Difference::None if has_lost_mirror => self.pause_for_change(actor),
            Difference::None => Interference::None,
            Difference::CanaryOut => {
                self.over(Outcome::Aborted, &format!("{actor} took the traffic of the canary"));
                Interference::End
            }
            Difference::CanaryFull => {
                self.over(Outcome::Completed, &format!("{actor} gave the canary all traffic"));
                Interference::End
            }
            Difference::Replaced => {
                let alone = self.plan.stage(self.state.number).is_some_and(|stage| stage.is_alone());
                self.evidence = EvidenceUse::Clear { alone };
                // The gates opened for the processes that are gone.
                self.state.opened.clear();
                self.pause(PauseReason::Replaced { actor });
                Interference::Pause
            }
            Difference::Changed => self.pause_for_change(actor),
        }
    }

    /// Returns whether somebody else removed or replaced the mirror of the stage. A mirror also ends with the active
    /// canary, without a decision about it.
    fn has_lost_mirror(&self) -> bool {
        if !self.state.mirrors {
            return false;
        }
        let Some(mirror) = self.split.mirror() else {
            let mut versions = self.split.versions().iter();
            return versions.any(|version| version.id == self.state.canary && version.active);
        };
        let share = self.state.mirror(self.plan);
        *mirror != MirrorShare::new(self.plan.version().clone(), share)
    }

    /// Pauses after a change of weights or of the mirror. A pause stays as it is if its end sets the weight and the
    /// mirror of the stage anyway.
    fn pause_for_change(&mut self, actor: String) -> Interference {
        use PauseReason::{Changed, Failed, Replaced};
        if let Phase::Paused { why: Changed { .. } | Failed { .. } | Replaced { .. }, .. } = self.state.phase
        {
            return Interference::None;
        }
        self.pause(Changed { actor });
        Interference::Pause
    }
}
