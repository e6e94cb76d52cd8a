//! What happens to a rollout from outside.

use std::time::SystemTime;

use super::gate_answer::GateAnswer;
use crate::rollout::guard::{Lack, Verdict};
use crate::rollout::plan::GateName;

/// What happens to a rollout. See [`State`](super::State) for an example.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Input {
    /// The time, by the clock of the store.
    pub at: SystemTime,
    /// Whether a layer pins users, so that going back ends their pins: see [`with_pins`](Self::with_pins).
    pub pins: bool,
    /// What happens.
    pub occasion: Occasion,
}

/// What happens to a rollout.
///
/// The driver sends a tick about every five seconds, and an order when a person gives one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Occasion {
    /// Time passes.
    Tick(Tick),
    /// A person wants something.
    Order(Order),
}

/// What the driver knows at one point in time. See [`State`](super::State) for an example.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Tick {
    /// The verdict of the guard.
    pub verdict: Verdict,
    /// Whether the other versions work well enough for the next stage.
    pub calm: bool,
    /// Whether all gateways serve the present split.
    pub converged: bool,
    /// The names of the gateways that report no latencies, if the plan compares them.
    pub unmeasured: Vec<String>,
    /// The answers of the gates that were asked.
    pub answers: Vec<(GateName, GateAnswer)>,
    /// Whether the [targets](super::State::targets) of the way back passed their probes. `None`: they were not probed.
    pub target_usable: Option<bool>,
    /// Why the canary cannot get traffic: the result of its last probe, if that failed.
    pub canary_unusable: Option<String>,
}

/// A request of a person. See [`State`](super::State) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Order {
    /// What to do.
    pub verb: Verb,
    /// The person.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
}

/// What a person can do with a rollout. A verb with a number is refused if another stage is present
/// meanwhile.
///
/// | verb | in the phases |
/// | --- | --- |
/// | approve, promote | all but `returning` and `over` |
/// | advance | `waiting`, `holding`, `gated`, and `paused` because the stage was inconclusive |
/// | pause | `waiting`, `holding`, `gated`. A rollout that is `paused` stays so |
/// | resume | `paused`. Another phase goes on |
/// | abort | all but `over` |
///
/// A pause on the way back counts as `returning` for approve and promote. In another phase the order is refused with
/// [`Refused::WrongPhase`](super::Refused::WrongPhase), and once the rollout is over with
/// [`Refused::Over`](super::Refused::Over).
///
/// ```
/// use tower_canary::rollout::{Order, Verb};
///
/// let order = Order::new(Verb::Approve { number: 2 }, "alice").with_reason("the load test passed");
/// assert_eq!((order.verb.as_str(), order.actor.as_str()), ("approve", "alice"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verb {
    /// Open the approval gate of a stage, or of the start with 0.
    Approve {
        /// The number of the stage.
        number: usize,
    },
    /// Continue as if the stage had passed and its gates were open, at any time of day.
    Advance {
        /// The number of the stage.
        number: usize,
    },
    /// Keep the weights until somebody resumes.
    Pause,
    /// Continue, as [`PauseReason`](super::PauseReason) says for the reason of the pause.
    Resume,
    /// Go to the bake at once. In the bake, as resume.
    Promote,
    /// Go back to the weights of the start at once, without the weights on the way. Versions without traffic that
    /// would get some must pass a probe first.
    Abort {
        /// Whether the weights change even if these versions are not usable.
        force: bool,
    },
}

impl Input {
    /// Creates the input that time passes until `at`.
    #[must_use]
    pub const fn tick(at: SystemTime, tick: Tick) -> Self {
        Self { at, pins: false, occasion: Occasion::Tick(tick) }
    }

    /// Creates the input that a person gives an order at the time `at`.
    #[must_use]
    pub const fn order(at: SystemTime, order: Order) -> Self {
        Self { at, pins: false, occasion: Occasion::Order(order) }
    }

    /// Sets whether a layer pins users.
    ///
    /// If a layer pins users, the end of the way back draws them again, provided that the canary had more weight
    /// since the start than it has then: their pins would keep them at the version that failed. The default is
    /// `false`.
    #[must_use]
    pub fn with_pins(self, pins: bool) -> Self {
        Self { pins, ..self }
    }
}

/// Nothing is known yet: the verdict is open, the gateways have not converged, and no gate was asked. The others are
/// calm.
impl Default for Tick {
    fn default() -> Self {
        Self {
            verdict: Verdict::Open(Lack::NoCanaryTraffic),
            calm: true,
            converged: false,
            unmeasured: Vec::new(),
            answers: Vec::new(),
            target_usable: None,
            canary_unusable: None,
        }
    }
}

impl Tick {
    /// Creates a tick in which all is well: the verdict is `pass`, and all gateways serve the split.
    #[must_use]
    pub fn passing() -> Self {
        let verdict = Verdict::Pass { unguarded: false };
        Self { verdict, converged: true, ..Self::default() }
    }
}

impl Order {
    /// Creates an order of `actor`, without a reason.
    pub fn new(verb: Verb, actor: impl Into<String>) -> Self {
        Self { verb, actor: actor.into(), reason: None }
    }

    /// Sets the reason.
    #[must_use]
    pub fn with_reason(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }
}

impl Verb {
    /// Returns the word for responses: `approve`, `advance`, `pause`, `resume`, `promote` or `abort`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Advance { .. } => "advance",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Promote => "promote",
            Self::Abort { .. } => "abort",
        }
    }
}
