//! The verbs of rollouts: the orders to the engine, and how to watch it.

mod list;
mod orders;
mod plan;
mod progress;
mod rail;
mod start;
mod status;
mod verb;
mod watch;

pub(crate) use self::verb::Rollout;
