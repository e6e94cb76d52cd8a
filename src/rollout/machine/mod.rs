//! The state machine of a rollout. It has no clock and does no I/O. [`State`] has its rules.

mod back;
mod by_hand;
mod draft;
mod event;
mod gate_answer;
mod input;
mod interference;
mod known_split;
mod phase;
mod refused;
mod start;
mod state;
mod step;
mod tick;
mod transition;

pub use self::event::{Event, EventKind};
pub use self::gate_answer::{GateAnswer, Question};
pub use self::input::{Input, Occasion, Order, Tick, Verb};
pub use self::phase::{Outcome, PauseReason, Phase, Resumable, Return};
pub use self::refused::{Refused, StartRefused};
pub use self::state::State;
pub use self::transition::{EvidenceUse, Transition};
