//! The status of each duty.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::common::error::chain_text;
use crate::common::lock::lock;

/// The status of one background duty of [`Deployments::run`](crate::Deployments::run). See
/// [`Deployments::duties`](crate::Deployments::duties) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DutyStatus {
    /// `check-health`, `drive-rollouts`, `refresh`, `report`, `save-snapshot` or `sample`. Later versions may add names.
    pub name: &'static str,
    /// Number of runs, including those that failed. `check-health` runs about twice for each check and once a second; a
    /// check that finds an instance unhealthy is no failure of the duty, one that panics is.
    pub runs: u64,
    /// Number of runs that failed.
    pub failures: u64,
    /// Number of runs that failed since the last success: 0 while the duty works.
    pub consecutive_failures: u32,
    /// Time since the last run ended. `None` before the first.
    pub last_run: Option<Duration>,
    /// Text of the last failure with its causes, also after a later success. It may contain addresses: show it to
    /// operators only.
    pub last_error: Option<String>,
}

/// The status of all duties, by name. It outlives the duties and is shared by all of one name.
#[derive(Debug, Default)]
pub(super) struct StatusBoard {
    records: Mutex<BTreeMap<&'static str, Record>>,
}

/// The runs of one duty so far.
#[derive(Debug, Default)]
struct Record {
    runs: u64,
    failures: u64,
    consecutive_failures: u32,
    /// When the last run ended. `None`: there was none.
    ended_at: Option<Instant>,
    last_error: Option<String>,
}

impl StatusBoard {
    /// Lists a duty that has not run yet.
    pub(super) fn register(&self, name: &'static str) {
        lock(&self.records).entry(name).or_default();
    }

    /// Records the end of a run.
    pub(super) fn record<E: Error + 'static>(&self, name: &'static str, outcome: &Result<(), E>) {
        let mut records = lock(&self.records);
        let record = records.entry(name).or_default();
        record.runs += 1;
        record.ended_at = Some(Instant::now());
        match outcome {
            Ok(()) => record.consecutive_failures = 0,
            Err(error) => {
                record.failures += 1;
                record.consecutive_failures = record.consecutive_failures.saturating_add(1);
                record.last_error = Some(chain_text(error));
            }
        }
    }

    /// Returns the status of each duty, ordered by name.
    pub(super) fn statuses(&self) -> Vec<DutyStatus> {
        lock(&self.records).iter().map(|(name, record)| record.status(name)).collect()
    }
}

impl Record {
    /// Returns the record as the application reads it, with the time since the last run.
    fn status(&self, name: &'static str) -> DutyStatus {
        DutyStatus {
            name,
            runs: self.runs,
            failures: self.failures,
            consecutive_failures: self.consecutive_failures,
            last_run: self.ended_at.map(|at| at.elapsed()),
            last_error: self.last_error.clone(),
        }
    }
}
