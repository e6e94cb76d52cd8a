//! The health of instances as deployments see it: which are checked and when, and the events that operators read.

mod check;
mod event;
mod log;
mod schedule;
mod targets;

pub(super) use self::check::{EndedCheck, Verdict, check};
pub use self::event::{HealthEvent, HealthEventKind};
pub(super) use self::log::HealthLog;
pub(super) use self::schedule::CheckId;
pub(super) use self::targets::{Target, Targets};
