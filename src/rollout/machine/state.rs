//! The state of a rollout.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::known_split::KnownSplit;
use super::phase::{Phase, Resumable, Return};
use crate::rollout::format::Format;
use crate::rollout::plan::{GateName, Plan};
use crate::routing::{MirrorShare, Split, Version, VersionId, VersionName, Weight};

/// The state of a rollout. A store keeps it as JSON; a form that a later release wrote is refused.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_canary::rollout::{Input, Order, Outcome, Phase, Plan, State, Tick, Verb};
/// use tower_canary::routing::{Change, Split};
///
/// let at = SystemTime::UNIX_EPOCH;
/// let split = Split::new("auth".parse()?, 7)
///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
///     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?;
///
/// let plan = Plan::new("v1.1".parse()?);
/// let started = State::start(&plan, &split, at, "alice")?;
/// assert_eq!(started.state.phase(), &Phase::Waiting);
///
/// // No gates and no windows: the first tick sets the weight of the first step.
/// let entered = started.state.step(&plan, &split, &Input::tick(at, Tick::default()))?;
/// assert_eq!(entered.changes, [Change::set_weight("v1.1".parse()?, "5".parse()?)]);
/// assert_eq!((entered.state.phase(), entered.state.number()), (&Phase::Holding, 1));
///
/// let split = split.apply(&entered.changes[0], at)?;
/// let abort = Input::order(at, Order::new(Verb::Abort { force: false }, "alice"));
/// let over = entered.state.step(&plan, &split, &abort)?;
/// assert_eq!(over.state.phase().outcome(), Some(Outcome::Aborted));
/// assert_eq!(split.apply(&over.changes[0], at)?.versions()[0].weight.percent(), 100.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`step`](Self::step) takes the plan, the split and an [`Input`](super::Input), and returns a
/// [`Transition`](super::Transition): the next state, the changes of the split, and the events to record. All of it is
/// written in one transaction, under the condition that the stored state has the
/// [`expected_turn`](super::Transition::expected_turn). So each transition is made once, whichever gateways believe that
/// they lead.
///
/// | phase | on | becomes |
/// | --- | --- | --- |
/// | `waiting` | start gates and a window open | `holding` the first stage |
/// | `holding` | watched for the hold, and the verdict is `pass` | `gated` |
/// | `gated` | gates and a window open, the others are calm | `holding` the next stage, or the end of the plan |
/// | `waiting`, `holding`, `gated` | the deadline | `paused`, [accepted](Self::is_accepted) or `returning`, by `whenInconclusive` |
/// | all but `returning` and `over` | the verdict or a gate is `fail` | `returning`, `paused` or no other, by `whenFailed` |
/// | `returning` | the way back is gone | `over` |
/// | all but `over` | somebody else changed the split | see below |
///
/// # Time
///
/// A hold is time that was *watched*: it counts while all gateways serve the weight of the stage and somebody drives the
/// rollout. Each tick counts for at most ten seconds by the clock of the store, and never backwards, so neither an outage
/// nor a clock that jumps completes a hold.
///
/// A deadline counts the same ticks, whichever weights the gateways serve, in three phases: in `holding` always, also
/// while all windows of time are closed, since a stage is watched at any time; in `waiting` and `gated` only while a
/// window is open, since a closed one is no fault of the version. The tick in which it runs out does what
/// `whenInconclusive` says.
///
/// # Changes of others
///
/// | change | effect |
/// | --- | --- |
/// | the canary was removed, registered again, deactivated or set to 0 | `over`: aborted |
/// | the canary was set to 100 | `over`: completed |
/// | the mirror, in a stage that copies requests | `paused`: changed |
/// | a base URL of the canary or of a version with a weight is gone | `paused`: replaced; the evidence begins again, and the gates that had opened are closed |
/// | another weight | `paused`: changed. The weights stay until somebody resumes or aborts, whatever the guard finds |
/// | anything else, such as another version or one more base URL | none |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub(super) format: Format<1>,
    /// The number of writes so far. Each write names the turn that it read.
    pub(super) turn: u64,
    #[serde(flatten)]
    pub(super) phase: Phase,
    /// The number of the stage. 0 before the first one.
    pub(super) number: usize,
    /// How long the stage was watched; on the way back, the time since its beginning or its last step.
    #[serde(with = "crate::common::time::duration_millis")]
    pub(super) held: Duration,
    /// The time until the deadline, as [`time_left`](Self::time_left) has it.
    #[serde(with = "crate::common::time::duration_millis")]
    pub(super) left: Duration,
    /// The time of the last input, by the clock of the store.
    #[serde(with = "crate::common::millis")]
    pub(super) ticked_at: SystemTime,
    /// The id of the canary: another version may get its name.
    pub(super) canary: VersionId,
    /// The greatest weight of the canary in the splits that the machine read or made. Users may be pinned to the
    /// canary since then.
    #[serde(default)]
    pub(super) peak: Weight,
    /// The weights to go back to.
    pub(super) start: Start,
    /// The split after the last input. Stored under its first name.
    #[serde(rename = "seen")]
    pub(super) known_split: KnownSplit,
    /// The gates of the present stage that have opened.
    pub(super) opened: BTreeSet<GateName>,
    /// Whether the stage counts as passed although it was inconclusive, and its gates as open.
    pub(super) accepted: bool,
    /// Whether the rollout set the mirror of the split, for the present stage.
    #[serde(default)]
    pub(super) mirrors: bool,
    /// Whether the event that latencies are not reported was recorded.
    #[serde(default)]
    pub(super) unmeasured: bool,
    /// The events of the present stage that are recorded once. Stored under its first name.
    #[serde(rename = "noted")]
    pub(super) recorded: RecordedEvents,
}

/// The weights to go back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Start {
    /// The generation of the split at the start.
    pub(super) generation: u64,
    /// The weights of all versions at the start, also weights of 0.
    pub(super) weights: BTreeMap<VersionName, StartWeight>,
    /// The mirror at the start.
    #[serde(default)]
    pub(super) mirror: Option<MirrorShare>,
}

/// The weight of one version at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StartWeight {
    /// The id of the version. Another version of the same name gets no traffic by going back.
    pub(super) id: VersionId,
    /// Its weight at the start.
    pub(super) weight: Weight,
}

/// Whether an event was recorded for the present stage, so that it is recorded once and not with each tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordedEvents {
    /// [`EventKind::GateWaiting`](super::EventKind::GateWaiting).
    pub(super) waiting: bool,
    /// [`EventKind::Failed`](super::EventKind::Failed), where the plan only records it.
    pub(super) failed: bool,
    /// [`EventKind::Stuck`](super::EventKind::Stuck). A way back begins with `false` too.
    pub(super) stuck: bool,
}

impl State {
    /// Returns the number of writes so far. A write is made under the condition that the stored turn is the one it read.
    #[must_use]
    pub const fn turn(&self) -> u64 {
        self.turn
    }

    /// Returns the phase.
    #[must_use]
    pub const fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Returns the number of the stage, as [`Plan::stage`] counts. 0 before the first one.
    #[must_use]
    pub const fn number(&self) -> usize {
        self.number
    }

    /// Returns how long the stage was watched. Zero before the first one.
    ///
    /// It grows by at most ten seconds per tick, and only while all gateways serve the weight. It stands still while
    /// the rollout is `gated` or `paused`. On the way back it is the time since its beginning or its last step.
    #[must_use]
    pub const fn held(&self) -> Duration {
        self.held
    }

    /// Returns the time until the deadline of the stage, or of the start gates before the first one.
    ///
    /// It falls by at most ten seconds per tick, in the phases `waiting`, `holding` and `gated`; in `waiting` and
    /// `gated` not while all windows of time are closed. The tick that brings it to zero does what `whenInconclusive`
    /// says. It stays zero then until the next stage begins, and in an [accepted](Self::is_accepted) stage it means
    /// nothing.
    #[must_use]
    pub const fn time_left(&self) -> Duration {
        self.left
    }

    /// Returns the time of the last input, by the clock of the store.
    ///
    /// A rollout whose last input is long ago is driven by nobody.
    #[must_use]
    pub const fn ticked_at(&self) -> SystemTime {
        self.ticked_at
    }

    /// Returns the identity of the canary.
    ///
    /// The name is in the plan. A version that was registered again under the name has another identity, and
    /// ends the rollout.
    #[must_use]
    pub const fn canary(&self) -> VersionId {
        self.canary
    }

    /// Returns the generation at the start, whose weights an abort brings back.
    ///
    /// The history of the service has it, unless it is limited and the entry is gone: the state itself has
    /// the weights.
    #[must_use]
    pub const fn start_generation(&self) -> u64 {
        self.start.generation
    }

    /// Returns the generation of the split after the last input.
    ///
    /// Somebody else made every later one. The next input notices it.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.known_split.generation
    }

    /// Returns whether the rollout is over.
    ///
    /// Nothing changes any more then: [`step`](Self::step) refuses every input with [`Refused::Over`](super::Refused::Over).
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. })
    }

    /// Returns the gates that are not open and that the application has to ask now. An approval is not among them.
    pub fn gates_to_ask<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = &'a GateName> {
        let asks = matches!(self.phase, Phase::Waiting | Phase::Gated);
        let gates = if asks { self.gates(plan) } else { &[] };
        gates.iter().filter(|gate| !gate.is_approval() && !self.opened.contains(*gate))
    }

    /// Returns the share of requests that the present stage copies to the canary, also while the rollout pauses
    /// there. A stage with a share above 0 is judged by the copies.
    #[must_use]
    pub fn mirror(&self, plan: &Plan) -> Weight {
        let is_watched = matches!(self.phase.resumable(), Some(Resumable::Holding | Resumable::Gated));
        plan.stage(self.number).filter(|_| is_watched).map_or(Weight::ZERO, |stage| stage.mirror)
    }

    /// Returns the versions without traffic that had some at the start, while the next change of the way back waits
    /// for their probes. The driver probes them before the next tick. Empty in any other phase.
    ///
    /// ```
    /// # use std::time::SystemTime;
    /// # use tower_canary::rollout::{Input, Order, Plan, State, Tick, Verb};
    /// # use tower_canary::routing::{Change, Split};
    /// # let at = SystemTime::UNIX_EPOCH;
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
    /// #     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?;
    /// let plan: Plan = r#"{"version": "v1.1", "form": "blue-green"}"#.parse()?;
    /// let start = State::start(&plan, &split, at, "alice")?.state;
    /// let switched = start.step(&plan, &split, &Input::tick(at, Tick::default()))?;
    /// let split = split.apply(&switched.changes[0], at)?;
    ///
    /// let abort = Input::order(at, Order::new(Verb::Abort { force: false }, "alice"));
    /// let aborting = switched.state.step(&plan, &split, &abort)?;
    /// let targets: Vec<_> = aborting.state.targets(&split).map(|version| version.name.as_str()).collect();
    /// assert_eq!((targets, aborting.changes), (vec!["v1.0"], vec![]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn targets<'a>(&'a self, split: &'a Split) -> impl Iterator<Item = &'a Version> {
        let awaits = matches!(self.phase, Phase::Returning(Return { pending: true, .. }));
        let idle = split.versions().iter().filter(move |version| awaits && version.weight.is_zero());
        idle.filter(|version| {
            let start = self.start.weights.get(&version.name);
            start.is_some_and(|start| start.id == version.id && !start.weight.is_zero())
        })
    }

    /// Returns whether the gate, one of the [present ones](Self::gates), has opened.
    #[must_use]
    pub fn is_open(&self, gate: &GateName) -> bool {
        self.opened.contains(gate)
    }

    /// Returns whether the stage counts as passed and its gates as open although it was inconclusive: a person
    /// resumed it, or `whenInconclusive` of the plan is `advance`. It has no deadline any more.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        self.accepted
    }

    /// Returns the gates before the next stage, open or not, in the order of the plan.
    ///
    /// ```
    /// # use std::time::SystemTime;
    /// # use tower_canary::rollout::{Plan, State};
    /// # use tower_canary::routing::{Change, Split};
    /// # let at = SystemTime::UNIX_EPOCH;
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
    /// #     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?;
    /// let plan: Plan = r#"{"version": "v1.1", "startGates": ["approval"]}"#.parse()?;
    /// let state = State::start(&plan, &split, at, "alice")?.state;
    /// let closed: Vec<_> = state.gates(&plan).iter().filter(|gate| !state.is_open(gate)).collect();
    /// assert_eq!(closed, [&"approval".parse()?]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn gates<'a>(&self, plan: &'a Plan) -> &'a [GateName] {
        plan.stage(self.number).map_or_else(|| plan.start_gates(), |stage| stage.gates)
    }

    /// Returns the first gate before the next stage that has not opened.
    pub(super) fn closed_gate<'a>(&self, plan: &'a Plan) -> Option<&'a GateName> {
        self.gates(plan).iter().find(|gate| !self.opened.contains(*gate))
    }

    /// Returns the weight of the canary in `split`. 0 if it is gone, also where another version has its name.
    pub(super) fn canary_weight(&self, split: &Split) -> Weight {
        let canary = split.versions().iter().find(|version| version.id == self.canary);
        canary.map_or(Weight::ZERO, |canary| canary.weight)
    }
}
