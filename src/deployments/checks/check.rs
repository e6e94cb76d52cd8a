//! One check of one instance.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::schedule::CheckId;
use super::targets::Target;
use crate::deployments::background::unwind::{Panicked, catch_panic};
use crate::deployments::checker::Checker;
use crate::deployments::version_check::{Healthy, Unhealthy};
use crate::health::{Event, LastCheck};

/// A check that has ended.
#[derive(Debug)]
pub(in crate::deployments) struct EndedCheck {
    pub(in crate::deployments) id: CheckId,
    pub(in crate::deployments) verdict: Verdict,
    /// The time from the start of the check to its end.
    took: Duration,
}

/// The result of one check.
#[derive(Debug)]
pub(in crate::deployments) enum Verdict {
    Passed(Healthy),
    Failed(Unhealthy),
    /// The version check does not probe.
    NotProbed,
    /// The version check panicked, which says nothing about the instance.
    Panicked(Panicked),
}

/// Checks `target`, for at most `limit`.
pub(in crate::deployments) async fn check(
    checker: Arc<Checker>,
    limit: Duration,
    id: CheckId,
    target: Target,
) -> EndedCheck {
    let started = Instant::now();
    let probe = checker.probe(target.backend(), Some(target.path()));
    let verdict = match catch_panic(timeout(limit, probe)).await {
        Ok(Ok(Ok(Some(healthy)))) => Verdict::Passed(healthy),
        Ok(Ok(Ok(None))) => Verdict::NotProbed,
        Ok(Ok(Err(unhealthy))) => Verdict::Failed(unhealthy),
        Ok(Err(_)) => Verdict::Failed(Unhealthy::TimedOut(limit)),
        Err(panicked) => Verdict::Panicked(panicked),
    };
    EndedCheck { id, verdict, took: started.elapsed() }
}

impl EndedCheck {
    /// Returns what the check means for the record of the instance. `None`: nothing.
    pub(in crate::deployments) const fn event(&self) -> Option<Event> {
        match self.verdict {
            Verdict::Passed(_) => Some(Event::CheckPassed),
            Verdict::Failed(_) => Some(Event::CheckFailed),
            Verdict::NotProbed => Some(Event::Unchecked),
            Verdict::Panicked(_) => None,
        }
    }

    /// Returns whether the instance passed the check. `None`: the check says nothing about it.
    pub(in crate::deployments) const fn passed(&self) -> Option<bool> {
        match self.verdict {
            Verdict::Passed(_) => Some(true),
            Verdict::Failed(_) => Some(false),
            Verdict::NotProbed | Verdict::Panicked(_) => None,
        }
    }

    /// Returns why the check failed, in words for operators. `None`: it passed, or nothing was probed.
    pub(in crate::deployments) fn cause(&self) -> Option<String> {
        match &self.verdict {
            Verdict::Failed(unhealthy) => Some(unhealthy.to_string()),
            Verdict::Panicked(_) => Some("the check of this gateway failed".to_owned()),
            Verdict::Passed(_) | Verdict::NotProbed => None,
        }
    }

    /// Returns the check as operators read it. `None`: nothing was probed.
    pub(in crate::deployments) fn last_check(&self) -> Option<LastCheck> {
        match &self.verdict {
            Verdict::Passed(healthy) => Some(LastCheck::passed(healthy.status, healthy.took)),
            Verdict::Failed(Unhealthy::Status(status)) => Some(self.failed_check(Some(*status))),
            Verdict::Failed(_) | Verdict::Panicked(_) => Some(self.failed_check(None)),
            Verdict::NotProbed => None,
        }
    }

    /// Returns a check that failed as operators read it, with its cause in words.
    fn failed_check(&self, status: Option<u16>) -> LastCheck {
        LastCheck::failed(status, self.cause().unwrap_or_default(), self.took)
    }
}
