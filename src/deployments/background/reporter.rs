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

static LABEL: Label = Label {
    name: "report",
    failed: "the store does not take the report of this replica",
    recovered: "the store takes the reports of this replica again",
};

/// Time between two reports when nothing changes: a replica counts as gone after three that fail.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// Time between two checks of the versions that drain here, since an operator may wait for them.
const CHECK_DRAINING_EVERY: Duration = Duration::from_millis(200);

const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Time limit of the withdrawal, which delays the end of the process.
const WITHDRAW_LIMIT: Duration = Duration::from_millis(500);

/// Reports the served revision and the versions that drain.
#[derive(Debug)]
pub(in crate::deployments) struct Reporter {
    replicas: Arc<Replicas>,
    /// Changes after each load.
    loads: watch::Receiver<()>,
    last: Option<(Report, Instant)>,
}

impl Reporter {
    pub(in crate::deployments) const fn new(replicas: Arc<Replicas>, loads: watch::Receiver<()>) -> Self {
        Self { replicas, loads, last: None }
    }

    /// Returns whether the report differs from the last one, or has to be repeated.
    fn is_due(&self) -> bool {
        let Some((report, at)) = &self.last else { return true };
        at.elapsed() >= REPORT_EVERY || self.replicas.compose_report().as_ref() != Some(report)
    }

    /// Waits until the report may have changed or has to be repeated.
    async fn wait(&mut self) {
        let is_draining = self.last.as_ref().is_some_and(|(report, _)| !report.draining.is_empty());
        let pause = if is_draining { CHECK_DRAINING_EVERY } else { REPORT_EVERY };
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
            self.wait().await;
        }
        while !self.is_due() {
            self.wait().await;
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
