//! Runs the duties until the application shuts down.

use std::future::{Future, pending};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::timeout;

use super::duty::{Duty, Label};
use super::status::{DutyStatus, StatusBoard};
use super::unwind::{Panicked, catch_panic};
use crate::common::error::BoxError;

/// Why a run of a duty failed.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Failed(BoxError),
    #[error(transparent)]
    Panicked(Panicked),
    #[error("it did not finish within {0:?}")]
    TimedOut(Duration),
}

/// The background activities of all calls of `run`.
#[derive(Debug)]
pub(in crate::deployments) struct Background {
    board: StatusBoard,
    /// Number of calls of `run` that have not ended. `None` before the first.
    running: watch::Sender<Option<usize>>,
}

impl Default for Background {
    fn default() -> Self {
        Self { board: StatusBoard::default(), running: watch::Sender::new(None) }
    }
}

impl Background {
    /// Runs `duties` concurrently until `shutdown`, and then lets each finish, in their order.
    pub(in crate::deployments) async fn run(
        &self,
        mut duties: Vec<Box<dyn Duty>>,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        let running = RunningGuard::new(&self.running);
        tokio::select! {
            () = shutdown => {}
            () = drive_all(&mut duties, &self.board) => {}
        }
        // Before the duties finish: long responses that wait for the end need not wait for them.
        drop(running);
        for duty in &mut duties {
            finish(&mut **duty).await;
        }
    }

    /// Returns the status of each duty that any `run` had, ordered by name.
    pub(in crate::deployments) fn statuses(&self) -> Vec<DutyStatus> {
        self.board.statuses()
    }

    /// Waits until no `run` is left. Never returns before the first one.
    pub(in crate::deployments) async fn ended(&self) {
        // The sender is a field of `self`, so waiting cannot fail.
        let _ = self.running.subscribe().wait_for(|running| *running == Some(0)).await;
    }
}

/// Counts a call of `run`, until it ends or its future is dropped.
struct RunningGuard<'a>(&'a watch::Sender<Option<usize>>);

impl<'a> RunningGuard<'a> {
    /// Counts one more run, until the value is dropped.
    fn new(running: &'a watch::Sender<Option<usize>>) -> Self {
        running.send_modify(|running| *running = Some(running.unwrap_or(0) + 1));
        Self(running)
    }
}

impl Drop for RunningGuard<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running = running.map(|running| running.saturating_sub(1)));
    }
}

/// Drives all duties concurrently in this task. It never returns.
///
/// A wake-up polls the duty that it is for: the checks of many instances wake theirs thousands of times per second.
async fn drive_all(duties: &mut [Box<dyn Duty>], board: &StatusBoard) {
    let mut drives = FuturesUnordered::new();
    for duty in duties {
        board.register(duty.label().name);
        drives.push(drive(&mut **duty, board));
    }
    // Each drive loops forever. Without duties there is nothing to wait for.
    while drives.next().await.is_some() {}
    pending().await
}

/// Runs a duty for ever: it waits until the duty is due, runs it once, and records the result. A failure
/// never ends the loop; the duty itself decides how long it waits after it.
async fn drive(duty: &mut dyn Duty, board: &StatusBoard) {
    let label = duty.label();
    let mut failures = 0_u32;
    loop {
        duty.due(failures).await;
        let outcome = attempt(duty).await;
        log(label, failures, &outcome);
        board.record(label.name, &outcome);
        failures = if outcome.is_ok() { 0 } else { failures.saturating_add(1) };
    }
}

/// Runs `duty` once, within its time limit if it has one.
async fn attempt(duty: &mut dyn Duty) -> Result<(), RunError> {
    let limit = duty.time_limit();
    let run = catch_panic(duty.run());
    let caught = match limit {
        Some(limit) => timeout(limit, run).await.map_err(|_| RunError::TimedOut(limit))?,
        None => run.await,
    };
    caught.map_err(RunError::Panicked)?.map_err(RunError::Failed)
}

/// Gives a duty its last run at the shutdown, within its time limit.
async fn finish(duty: &mut dyn Duty) {
    let limit = duty.time_limit().unwrap_or(Duration::MAX);
    // The process ends whether this succeeds or not.
    let _ = timeout(limit, catch_panic(duty.finish())).await;
}

/// Logs the first of several failures in a row, and the recovery.
fn log(label: &Label, failures_before: u32, outcome: &Result<(), RunError>) {
    match outcome {
        Err(error) if failures_before == 0 => log_failure(label, error),
        Ok(()) if failures_before > 0 => log_recovery(label, failures_before),
        _ => {}
    }
}

/// Logs the first failure of an outage. The status has the later ones.
fn log_failure(label: &Label, error: &RunError) {
    tracing::warn!(duty = label.name, error = error as &dyn std::error::Error, "{}", label.failed);
}

/// Logs the end of an outage, with the number of runs that failed.
fn log_recovery(label: &Label, failures: u32) {
    tracing::info!(duty = label.name, failures, "{}", label.recovered);
}
