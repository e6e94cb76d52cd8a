//! The rules: names, splits, slots, draws, deployments on a store of any kind, and the modules that each may use.
#![expect(clippy::disallowed_methods, reason = "the rule about locks is for the library")]
#![expect(clippy::unwrap_used, reason = "a test stops where it is wrong")]

mod architecture;
mod deployments;
mod draining;
mod draws;
mod duties;
#[path = "../shared/faulty_store.rs"]
mod faulty_store;
mod keys;
#[cfg(feature = "metrics")]
mod metrics;
mod names;
mod replicas;
mod scale;
#[path = "../shared/scripted_check.rs"]
mod scripted_check;
mod seeding;
#[cfg(feature = "serde")]
mod serde;
mod slots;
mod splits;
mod support;
