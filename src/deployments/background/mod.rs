//! The activities of `Deployments::run`, one duty per file.
//!
//! | duty | runs | on failure |
//! | --- | --- | --- |
//! | `refresh` | every second ± 20 %, on a signal of the store, and after an interrupted change | longer pauses, up to about 3 seconds; then a load of all splits |
//! | `report` | when the report changes, and every 5 seconds | after the next load, or 5 seconds, or 200 ms while a version drains |
//! | `save-snapshot` | after a publication, at most every 5 seconds, and at the end | after the next publication |
//! | `sample` | every 2 seconds | 2 seconds later |
//! | `check-health` | when a check ends or is due, a row of requests failed, routes were published, and every second | the instance keeps its state until its next check |
//!
//! The driver of rollouts adds `drive-rollouts` by `Deployments::run_duties`.
//!
//! Each duty is idempotent and takes no input: it compares the state with what it did last. The driver runs them
//! concurrently, so one that hangs delays none of the others, and keeps a [`DutyStatus`] of each. A new activity is one
//! more file here and one more line in `Deployments::run_every`.

mod driver;
mod duty;
mod health_checker;
mod refresher;
mod reporter;
mod sampler;
mod snapshot_saver;
mod status;
pub(super) mod unwind;

pub(super) use self::driver::Background;
pub(crate) use self::duty::Duty;
#[cfg(feature = "rollout")]
pub(crate) use self::duty::Label;
pub(super) use self::health_checker::HealthChecker;
pub(super) use self::refresher::Refresher;
pub(super) use self::reporter::Reporter;
pub(super) use self::sampler::Sampler;
pub(super) use self::snapshot_saver::SnapshotSaver;
pub use self::status::DutyStatus;
#[cfg(feature = "rollout")]
pub(crate) use self::unwind::catch_panic;
