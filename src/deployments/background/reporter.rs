//! Reports to the store what this replica serves.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::duty::{Duty, Label};
use crate::common::error::BoxError;
use crate::deployments::replicas::Replicas;
use crate::store::Report;

/// The duty as it is logged and listed.
static LABEL: Label = Label {
    name: "report",
    failed: "the store does not take the report of this replica",
    recovered: "the store takes the reports of this replica again",
};

/// Time between two reports when nothing changes: a replica counts as gone after three that fail.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// Time between two checks of the versions that drain here, since an operator may wait for them.
const CHECK_DRAINING_EVERY: Duration = Duration::from_millis(200);

/// The longest time for one report.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Time limit of the withdrawal, which delays the end of the process.
const WITHDRAW_LIMIT: Duration = Duration::from_millis(500);

/// Reports the served revision and the versions that drain.
#[derive(Debug)]
pub(in crate::deployments) struct Reporter {
    replicas: Arc<Replicas>,
    /// Changes after each load.
    loads: watch::Receiver<()>,
    /// The last report that the store took, and when. `None`: none yet.
    last: Option<(Report, Instant)>,
}

impl Reporter {
    pub(in crate::deployments) const fn new(replicas: Arc<Replicas>, loads: watch::Receiver<()>) -> Self {
        Self { replicas, loads, last: None }
    }

    /// Returns whether the report differs from the last one, or has to be repeated.
    fn is_due(&self) -> bool {
        let Some((report, at)) = &self.last else { return true };
        if at.elapsed() >= REPORT_EVERY {
            return true;
        }
        // Nothing begins to drain without a change. Polls of the store find none most of the time, and to look through
        // thousands of services after each would be most of the work of this process.
        let may_differ = !report.draining.is_empty() || self.replicas.revision() != report.revision;
        may_differ && self.replicas.compose_report().as_ref() != Some(report)
    }

    /// Returns the longest time between two checks of whether a report is due.
    fn check_every(&self) -> Duration {
        let is_draining = self.last.as_ref().is_some_and(|(report, _)| !report.draining.is_empty());
        if is_draining { CHECK_DRAINING_EVERY } else { REPORT_EVERY }
    }

    /// Returns the time until the last report has to be repeated.
    fn until_repeated(&self) -> Duration {
        self.last.as_ref().map_or(Duration::ZERO, |(_, at)| REPORT_EVERY.saturating_sub(at.elapsed()))
    }

    /// Waits for `pause` at most. A load ends it, since the report may differ then.
    async fn wait(&mut self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            Ok(()) = self.loads.changed() => {}
        }
    }
}

#[async_trait]
impl Duty for Reporter {
    fn label(&self) -> &'static Label {
        &LABEL
    }

    async fn due(&mut self, failures: u32) {
        if failures > 0 {
            self.wait(self.check_every()).await;
        }
        while !self.is_due() {
            self.wait(self.check_every().min(self.until_repeated())).await;
        }
    }

    async fn run(&mut self) -> Result<(), BoxError> {
        if let Some(report) = self.replicas.compose_report() {
            self.replicas.report(&report).await?;
            self.last = Some((report, Instant::now()));
        }
        Ok(())
    }

    async fn finish(&mut self) {
        // The last report expires by itself if this fails.
        let _ = timeout(WITHDRAW_LIMIT, self.replicas.withdraw()).await;
    }

    fn time_limit(&self) -> Option<Duration> {
        Some(TIME_LIMIT)
    }
}
