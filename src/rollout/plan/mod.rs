//! The plan of a rollout: its steps, its gates, its windows of time and the policy of its guard.
//!
//! A [`Plan`] is read from JSON and is valid then: there is no `validate`. A refusal names the place by a JSON pointer.

mod end;
mod gate;
mod guard_policy;
mod invalid;
mod node;
#[expect(clippy::module_inception, reason = "the plan has the name of its module")]
mod plan;
mod preview;
mod read;
mod read_policy;
mod span;
mod step;
mod time_window;
mod write;

pub use self::end::{Form, Then, WhenFailed, WhenInconclusive};
pub use self::gate::{GateName, InvalidGateName};
pub use self::guard_policy::{ErrorPolicy, GuardPolicy, LatencyPolicy};
pub use self::invalid::InvalidPlan;
pub use self::plan::Plan;
pub use self::preview::StagePreview;
pub use self::step::{Back, Bake, Stage, Step};
pub use self::time_window::{InvalidTimeWindow, TimeWindow};
