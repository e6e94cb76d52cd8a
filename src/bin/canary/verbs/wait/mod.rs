//! Waits, each with an end.

mod converged;
mod drained;
mod healthy;
mod pace;
mod verb;

pub(crate) use self::verb::Wait;
