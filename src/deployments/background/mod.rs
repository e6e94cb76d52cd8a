//! The activities of `Deployments::run`, one duty per file.
//!
//! | duty | runs | on failure |
//! | --- | --- | --- |
//! | `refresh` | every second ± 20 %, on a signal of the store, and after an interrupted change | pauses of 1 to 3 seconds; then a load of all splits |
//! | `report` | when the report changes, and every 5 seconds | after the next load, or 5 seconds |
//! | `save-snapshot` | after a publication, at most every 5 seconds, and at the end | after the next publication |
//! | `sample` | every 2 seconds | 2 seconds later |
//!
//! Each duty is idempotent and takes no input: it compares the state with what it did last. The driver runs them
//! concurrently, so one that hangs delays none of the others, and keeps a [`DutyStatus`] of each. A new activity, such
//! as health checks of instances or a rollout, is one more file here and one more line in `Deployments::run_every`.

mod driver;
mod duty;
mod refresher;
mod reporter;
mod sampler;
mod snapshot_saver;
mod status;
pub(super) mod unwind;

pub(super) use self::driver::Background;
pub(super) use self::duty::Duty;
pub(super) use self::refresher::Refresher;
pub(super) use self::reporter::Reporter;
pub(super) use self::sampler::Sampler;
pub(super) use self::snapshot_saver::SnapshotSaver;
pub use self::status::DutyStatus;
