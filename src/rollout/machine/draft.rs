//! A transition under construction, and the parts that several inputs share.

use std::time::{Duration, SystemTime};

use super::event::{Event, EventKind};
use super::input::Input;
use super::known_split::KnownSplit;
use super::phase::{Outcome, PauseReason, Phase};
use super::state::{RecordedEvents, State};
use super::transition::{EvidenceUse, Transition};
use crate::rollout::plan::{Plan, Then};
use crate::routing::{Change, ChangeError, Split, Weight};

/// The longest time that counts between two inputs: two periods of the driver.
const LONGEST_TICK: Duration = Duration::from_secs(10);

/// A transition under construction.
pub(super) struct Draft<'a> {
    pub(super) plan: &'a Plan,
    /// The next state so far. It has the turn of the present one until the end.
    pub(super) state: State,
    /// The split with the changes so far.
    pub(super) split: Split,
    /// The time of the input, by the clock of the store.
    pub(super) at: SystemTime,
    /// Whether a layer pins users: see [`Input::pins`].
    pub(super) pins: bool,
    /// The time since the last input, at most [`LONGEST_TICK`].
    pub(super) elapsed: Duration,
    /// The person whose order is carried out. `None` in a tick, and while changes of others are followed.
    pub(super) actor: Option<String>,
    /// Whether a person forces the changes: see [`Transition::forced`].
    pub(super) forced: bool,
    /// Whether a change of others paused or ended the rollout: see [`Transition::interfered`].
    pub(super) interfered: bool,
    /// What happens to the evidence when the transition is written.
    pub(super) evidence: EvidenceUse,
    /// The turn of the state that was read.
    expected_turn: u64,
    /// The generation of the split that was read.
    expected_generation: u64,
    /// The changes that lead from the split that was read to [`split`](Self::split).
    changes: Vec<Change>,
    /// The events so far, in order.
    events: Vec<Event>,
}

impl<'a> Draft<'a> {
    /// Begins a transition at the time of the input, without changes and events.
    ///
    /// The time since the last input is limited to [`LONGEST_TICK`]: while nobody drove the rollout, nobody observed
    /// it, so that time proves nothing.
    pub(super) fn new(plan: &'a Plan, state: &State, split: &Split, input: &Input) -> Self {
        // A clock that went back counts as one that stood still.
        let elapsed = input.at.duration_since(state.ticked_at).unwrap_or_default().min(LONGEST_TICK);
        Self {
            plan,
            state: State {
                ticked_at: input.at,
                peak: state.peak.max(state.canary_weight(split)),
                ..state.clone()
            },
            split: split.clone(),
            at: input.at,
            pins: input.pins,
            elapsed,
            actor: None,
            forced: false,
            interfered: false,
            evidence: EvidenceUse::Keep,
            expected_turn: state.turn,
            expected_generation: split.generation(),
            changes: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Ends the transition: it is one more turn. The state keeps the split as it is now, so that the next input
    /// notices the changes of others.
    pub(super) fn finish(mut self) -> Transition {
        self.state.turn = self.state.turn.saturating_add(1);
        self.state.known_split = KnownSplit::from_split(&self.split, self.state.canary);
        Transition {
            expected_turn: self.expected_turn,
            expected_generation: self.expected_generation,
            state: self.state,
            changes: self.changes,
            forced: self.forced,
            interfered: self.interfered,
            events: self.events,
            evidence: self.evidence,
        }
    }

    /// Changes the split. A change that changes nothing is left out.
    pub(super) fn change(&mut self, change: Change) -> Result<(), ChangeError> {
        let after = self.split.apply(&change, self.at)?;
        if after.generation() != self.split.generation() {
            self.changes.push(change);
        }
        self.state.peak = self.state.peak.max(self.state.canary_weight(&after));
        self.split = after;
        Ok(())
    }

    /// Sets the weight of the canary. The others share the rest.
    pub(super) fn set_weight(&mut self, weight: Weight) -> Result<(), ChangeError> {
        self.change(Change::set_weight(self.plan.version().clone(), weight))
    }

    /// Copies `share` of the requests to the canary, or brings back the mirror of the start.
    pub(super) fn set_mirror(&mut self, share: Weight) -> Result<(), ChangeError> {
        if share.is_zero() {
            self.end_mirror();
            return Ok(());
        }
        self.change(Change::set_mirror(self.plan.version().clone(), share))?;
        self.state.mirrors = true;
        Ok(())
    }

    /// Brings back the mirror of the start, unless the present one is somebody else's.
    pub(super) fn end_mirror(&mut self) {
        if !std::mem::take(&mut self.state.mirrors) {
            return;
        }
        let earlier = self.state.start.mirror.clone();
        let earlier = earlier.map(|mirror| Change::set_mirror(mirror.version, mirror.share));
        let is_back = earlier.is_some_and(|change| self.change(change).is_ok());
        if !is_back {
            // Its version is gone or inactive. Without a mirror there is nothing to refuse.
            let _ = self.change(Change::remove_mirror());
        }
    }

    /// Adds an event at the present stage, with the actor of the order if an order caused it.
    pub(super) fn record(&mut self, kind: EventKind, text: impl Into<String>) {
        let event = Event { kind, number: self.state.number, actor: self.actor.clone(), text: text.into() };
        self.events.push(event);
    }

    /// Adds the reason of a person to the first event.
    pub(super) fn add_reason(&mut self, reason: &str) {
        if let Some(event) = self.events.first_mut() {
            event.text.push_str(": ");
            event.text.push_str(reason);
        }
    }

    /// Records that the next change cannot be made, once for a stage and once for a way back.
    pub(super) fn record_stuck(&mut self, why: &str) {
        if !self.state.recorded.stuck {
            self.state.recorded.stuck = true;
            self.record(EventKind::Stuck, why);
        }
    }

    /// Enters the next stage. After the last one, ends the plan as its `then` says.
    pub(super) fn go_on(&mut self) -> Result<(), ChangeError> {
        let next = self.state.number + 1;
        if next <= self.plan.stages() { self.enter(next) } else { self.end() }
    }

    /// Enters the stage `number`, if the plan has it: sets its weight and its mirror, closes the gates, and begins
    /// the watch.
    ///
    /// A plan raises the weight here and, for a promotion, at its [end](Self::end). Nowhere else.
    pub(super) fn enter(&mut self, number: usize) -> Result<(), ChangeError> {
        let Some(stage) = self.plan.stage(number) else { return Ok(()) };
        self.set_weight(stage.weight)?;
        self.set_mirror(stage.mirror)?;
        self.state.number = number;
        self.state.phase = Phase::Holding;
        self.state.opened.clear();
        self.begin_watch(stage.deadline);
        self.evidence = EvidenceUse::BeginStep { alone: stage.is_alone() };
        let copies = match stage.mirror {
            Weight::ZERO => String::new(),
            share => format!(", copies of {share} %"),
        };
        let stages = self.plan.stages();
        self.record(EventKind::Step, format!("step {number} of {stages}: {} %{copies}", stage.weight));
        Ok(())
    }

    /// Begins the hold of a stage, and its deadline after `deadline`. Earlier acceptance and records count no
    /// more.
    pub(super) fn begin_watch(&mut self, deadline: Duration) {
        self.state.held = Duration::ZERO;
        self.state.left = deadline;
        self.state.accepted = false;
        self.state.recorded = RecordedEvents::default();
    }

    /// Ends the plan after its last stage: gives the canary all traffic, keeps the weights, or begins the way back.
    fn end(&mut self) -> Result<(), ChangeError> {
        match self.plan.then() {
            Then::Promote => self.set_weight(Weight::FULL)?,
            Then::Stay => {}
            Then::Return => {
                self.go_back(Outcome::Returned, "the experiment is over");
                return Ok(());
            }
        }
        self.over(Outcome::Completed, "the plan is complete");
        Ok(())
    }

    /// Ends the rollout, and the mirror that it set.
    pub(super) fn over(&mut self, outcome: Outcome, why: &str) {
        self.end_mirror();
        self.state.phase = Phase::Over { outcome };
        let kind = match outcome {
            Outcome::Completed => EventKind::Completed,
            Outcome::RolledBack => EventKind::RolledBack,
            Outcome::Aborted => EventKind::Aborted,
            Outcome::Returned => EventKind::Returned,
        };
        self.record(kind, why);
    }

    /// Pauses the rollout: the weights stay. A pause gets the reason `why` in place of its own. Does nothing once it
    /// is over.
    pub(super) fn pause(&mut self, why: PauseReason) {
        if let Some(from) = self.state.phase.resumable() {
            let text = why.to_string();
            self.state.phase = Phase::Paused { from, why };
            self.record(EventKind::Paused, text);
        }
    }
}
