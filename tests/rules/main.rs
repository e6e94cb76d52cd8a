//! The rules: names, splits, slots, draws, deployments on a store of any kind, and the modules that each may use.
#![expect(clippy::disallowed_methods, reason = "the rule about locks is for the library")]
#![expect(clippy::unwrap_used, reason = "a test stops where it is wrong")]

mod architecture;
mod check_schedule;
mod deployments;
mod docs;
mod draining;
mod draws;
mod duties;
mod ejections;
#[path = "../shared/faulty_store.rs"]
mod faulty_store;
mod health;
#[cfg(feature = "metrics")]
mod health_metrics;
mod health_support;
mod instance_drains;
#[cfg(feature = "metrics")]
mod instance_metrics;
mod instances;
mod keys;
#[path = "../shared/log.rs"]
mod log;
#[cfg(feature = "metrics")]
mod metrics;
mod mirrors;
mod names;
mod patterns;
#[cfg(feature = "metrics")]
#[path = "../shared/recorded.rs"]
mod recorded;
mod removals;
mod replicas;
mod restores;
mod scale;
#[path = "../shared/scripted_check.rs"]
mod scripted_check;
mod seeding;
#[cfg(feature = "serde")]
mod serde;
mod slots;
mod splits;
mod start_caches;
mod support;
#[cfg(feature = "serde")]
mod url_forms;
