//! Which instance of a version gets a request: two are drawn, and the one with less to do gets it.
//!
//! The score of an instance is the number of its requests in flight and a penalty for each failure in a row. An instance
//! that fails at once looks idle, so without the penalty it would attract requests. Without an exception from the penalty,
//! one failure would keep an instance of a quiet version from ever showing that it works again: only a success ends a row.
//!
//! Two choices spread requests nearly as evenly as a choice among all, and cost the same for any number of instances
//! ([Mitzenmacher 2001](https://doi.org/10.1109/71.963420)). The counts of one shard are enough, so the choice writes
//! no memory that threads share: `simulation` compares it with round robin.
//!
//! Everything here is pure: no clock, no state of its own.

mod choose;
mod members;
#[cfg(test)]
mod simulation;
mod turn;
mod weighted;

pub(crate) use self::choose::{Load, choose};
pub(crate) use self::members::Members;
pub(crate) use self::turn::Turn;
pub(crate) use self::weighted::pick_by_weight;
