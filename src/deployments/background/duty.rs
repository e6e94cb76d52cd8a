//! What a background activity has to implement.

use std::time::Duration;

use async_trait::async_trait;

use crate::common::error::BoxError;

/// One background activity. It is idempotent: running it once more does no harm.
#[async_trait]
pub(crate) trait Duty: Send {
    /// Returns the name of the duty and its log lines.
    fn label(&self) -> &'static Label;

    /// Waits until the duty has something to do: its period is over, or a signal came. `failures` is the number of runs
    /// that failed in a row, for growing pauses.
    async fn due(&mut self, failures: u32);

    /// Does the work once. It may panic or be dropped half-way.
    async fn run(&mut self) -> Result<(), BoxError>;

    /// Does the last work before the process ends.
    async fn finish(&mut self) {}

    /// Returns the time after which a run is dropped and counts as failed. `None`: it may take any time.
    fn time_limit(&self) -> Option<Duration> {
        None
    }
}

/// The name of a duty and its log lines.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) name: &'static str,
    /// Logged with the first of several failures in a row.
    pub(crate) failed: &'static str,
    /// Logged with the first success after a failure.
    pub(crate) recovered: &'static str,
}
