//! The driver of rollouts: reads them from the store, gives the guard the figures of all gateways, asks gates, and writes
//! what the state machine decides.
//!
//! [`Rollouts`] has an example. Every gateway runs a driver; one of them leads each rollout, by a lease on the store's clock.
//! The lease is a courtesy: each write names the turn that it read, so a step is made once, even if two gateways believe to lead.

mod asks;
mod board;
mod duty;
mod engine;
mod error;
mod facts;
mod gate;
mod lead;
mod orders;
mod preview;
mod replicas;
mod reported;
mod rollouts;
mod start;
mod view;
mod watch;
mod write;

pub use self::board::RolloutStatus;
pub use self::error::RolloutError;
pub use self::gate::Gate;
pub use self::preview::StartPreview;
pub use self::replicas::RolloutReplica;
pub use self::rollouts::Rollouts;
pub use self::start::{RolloutActor, Started};
pub use self::view::RolloutView;
