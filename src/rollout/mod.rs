//! Staged rollouts with a guard: the plan, the judge, the state machine, and the driver that runs them on every gateway.
//!
//! A rollout carries one version, the canary, from little traffic to all of it. The [`Plan`] names the stages. The
//! [`Guard`] compares the canary with the other versions, from the requests of all gateways, and the [`State`] decides what
//! follows. [`docs::rollouts`](crate::docs::rollouts) says how to choose a plan, and how well the guard judges.
//!
//! - A [`Plan`] is read from JSON, and valid then. `{"version": "v1.1"}` is a whole plan.
//! - A [`Guard`] adds [`Window`]s of ten seconds to the [`Evidence`] and gives a [`Verdict`] at any time. The chance that it
//!   ever fails a canary that is no worse is bounded.
//! - A [`State`] takes an [`Input`], a tick or an order of a person, and returns a [`Transition`]: the next state, changes
//!   of the split, and events. A store writes a transition whole, at most once.
//!
//! These three are pure: no I/O, no clock, no async. [`Rollouts`] is the driver around them: it reads the store, collects the
//! figures of all gateways, asks [`Gate`]s and writes transitions. In short it is this loop:
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use tower_canary::rollout::{Evidence, Guard, Input, Outcome, Plan, State, Tick, Window};
//! use tower_canary::routing::{Change, Split};
//! use tower_canary::traffic::Figures;
//!
//! let mut at = SystemTime::UNIX_EPOCH;
//! let mut split = Split::new("auth".parse()?, 7)
//!     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
//!     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?;
//!
//! let plan: Plan = r#"{"version": "v1.1", "steps": [10, 50], "hold": "2m"}"#.parse()?;
//! let guard = Guard::new(&plan);
//! let mut evidence = Evidence::default();
//! let mut state = State::start(&plan, &split, at, "alice")?.state;
//!
//! while !state.is_over() {
//!     at += Window::LENGTH;
//!     // A canary that is as good as the others: 0.1 percent of 1,000 requests fail.
//!     let weight = split.versions()[1].weight.percent() as u64;
//!     let window = Window::new(Figures::new(10 * weight, 0), Figures::new(1_000 - 10 * weight, 1));
//!     guard.observe(&mut evidence, &window);
//!
//!     let mut tick = Tick::default();
//!     tick.verdict = guard.verdict(&evidence);
//!     tick.calm = guard.is_calm(&evidence);
//!     tick.converged = true;
//!     let transition = state.step(&plan, &split, &Input::tick(at, tick))?;
//!     for change in &transition.changes {
//!         split = split.apply(change, at)?;
//!     }
//!     transition.evidence.apply(&mut evidence);
//!     state = transition.state;
//! }
//! assert_eq!(state.phase().outcome(), Some(Outcome::Completed));
//! assert_eq!(split.versions()[1].weight.percent(), 100.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod driver;
mod format;
mod guard;
mod machine;
mod plan;

pub use self::driver::{
    Gate, RolloutActor, RolloutError, RolloutReplica, RolloutStatus, RolloutView, Rollouts, StartPreview,
    Started,
};
pub use self::guard::{
    Baseline, Evidence, Finding, Guard, Lack, Measure, Odds, ReplicaFigures, Tally, Totals, Verdict, Window,
};
pub use self::machine::{
    Event, EventKind, EvidenceUse, GateAnswer, Input, Occasion, Order, Outcome, PauseReason, Phase, Question,
    Refused, Resumable, Return, StartRefused, State, Tick, Transition, Verb,
};
pub use self::plan::{
    Back, Bake, ErrorPolicy, Form, GateName, GuardPolicy, InvalidGateName, InvalidPlan, InvalidTimeWindow,
    LatencyPolicy, Plan, Stage, StagePreview, Step, Then, TimeWindow, WhenFailed, WhenInconclusive,
};
