//! Following the store for as long as the process runs.

use std::error::Error;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Deployments;
use crate::common::error::BoxError;
use crate::store::{Report, Signal};
use crate::traffic::SAMPLE_EVERY;

/// The longest pause between two tries while the store is down: fresh again within 5 seconds of its return.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// A store is not asked more often than this, nor less often than the next.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);
const LONGEST_PERIOD: Duration = Duration::from_hours(24);

/// At most so long after a signal the store is read: replicas that are told at once do not ask at once, and what is told
/// in quick succession is read together.
const SPREAD: Duration = Duration::from_millis(20);

/// How often a replica reports when nothing changes: three times before it counts as gone.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// How soon it reports that a version is drained.
const REPORT_DRAINED: Duration = Duration::from_millis(200);

/// How often routes that change all the time are kept.
const KEEP_EVERY: Duration = Duration::from_secs(5);

/// How long reporting and keeping may hold up what follows.
const SIDELINE: Duration = Duration::from_secs(3);

/// How long the end may take to tell the store of it.
const FAREWELL: Duration = Duration::from_millis(500);

pub(super) async fn until(
    deployments: &Deployments,
    period: Duration,
    shutdown: impl Future<Output = ()> + Send,
) {
    let running = Running::new(&deployments.shared.running);
    let mut follower = Follower {
        deployments,
        period: period.clamp(SHORTEST_PERIOD, LONGEST_PERIOD),
        failures: 0,
        refreshed: Instant::now(),
        reported: None,
        unreported: false,
        kept: (0, None),
        unkept: false,
    };
    tokio::select! {
        () = shutdown => {}
        () = follower.follow() => {}
        () = sample(deployments) => {}
    }
    // What would go on for long ends as soon as this is to.
    drop(running);
    follower.end().await;
}

async fn sample(deployments: &Deployments) {
    loop {
        sleep(SAMPLE_EVERY).await;
        deployments.handle().sample_traffic();
    }
}

/// Counts who follows the store, also where one is dropped.
struct Running<'a>(&'a watch::Sender<Option<usize>>);

impl<'a> Running<'a> {
    fn new(count: &'a watch::Sender<Option<usize>>) -> Self {
        count.send_modify(|count| *count = Some(count.unwrap_or(0) + 1));
        Self(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.map(|count| count.saturating_sub(1)));
    }
}

struct Follower<'a> {
    deployments: &'a Deployments,
    period: Duration,
    /// Refreshes that failed, in a row.
    failures: u32,
    /// When it was last tried to refresh.
    refreshed: Instant,
    /// What was reported last, and when.
    reported: Option<(Report, Instant)>,
    /// Whether the last report failed.
    unreported: bool,
    /// How much was published when routes were kept last, and when.
    kept: (u64, Option<Instant>),
    /// Whether they could not be.
    unkept: bool,
}

impl Follower<'_> {
    async fn follow(&mut self) {
        let mut signal = pin!(signal(self.deployments));
        self.settle().await;
        loop {
            tokio::select! {
                () = self.idle() => {}
                told = signal.as_mut() => {
                    signal.set(self::signal(self.deployments));
                    self.told(told).await;
                }
            }
            self.refresh().await;
            self.settle().await;
        }
    }

    /// Until it is time to refresh, or a change made here waits to be published. Reports in the meantime.
    async fn idle(&mut self) {
        let due = self.refreshed + jittered(pause(self.period, self.failures));
        loop {
            tokio::select! {
                () = sleep_until(due) => return,
                () = self.deployments.shared.unpublished.notified() => return,
                () = sleep(self.until_report()) => self.settle().await,
            }
        }
    }

    /// Whoever waits for a version to be drained here is not to wait for long.
    fn until_report(&self) -> Duration {
        let is_draining = self.reported.as_ref().is_some_and(|(report, _)| !report.draining.is_empty());
        if is_draining { REPORT_DRAINED } else { REPORT_EVERY }
    }

    async fn told(&self, signal: Signal) {
        if signal == Signal::Lost {
            self.deployments.shared.loader.require_whole_load();
        }
        sleep(SPREAD.mul_f64(rand::random())).await;
    }

    async fn refresh(&mut self) {
        match unwound(self.deployments.refresh()).await {
            Ok(Ok(())) => self.succeeded(),
            Ok(Err(error)) => self.failed(&error),
            Err(panicked) => self.failed(&panicked),
        }
        self.refreshed = Instant::now();
    }

    /// Keeps and reports what is served. Whatever comes of it, the store is followed.
    async fn settle(&mut self) {
        self.keep(KEEP_EVERY).await;
        self.report().await;
    }

    async fn report(&mut self) {
        let Some(identity) = &self.deployments.shared.identity else { return };
        let Some(registry) = self.deployments.shared.store.replica_registry() else { return };
        let report = self.deployments.report_of(identity);
        let is_current = |(reported, at): &(_, Instant)| *reported == report && at.elapsed() < REPORT_EVERY;
        if self.reported.as_ref().is_some_and(is_current) {
            return;
        }
        let outcome = within_time(registry.report(&report)).await;
        if outcome.is_ok() {
            self.reported = Some((report, Instant::now()));
        }
        note(&mut self.unreported, outcome, "cannot report what is served");
    }

    /// Keeps what was published since the last time, unless that was less than `every` ago.
    async fn keep(&mut self, every: Duration) {
        let Some(cache) = &self.deployments.shared.cache else { return };
        let published = self.deployments.shared.publisher.publications();
        let (kept, at) = self.kept;
        if kept != published && at.is_none_or(|at| at.elapsed() >= every) {
            let keep = within_time(self.deployments.save(&**cache)).await;
            note(&mut self.unkept, keep, "cannot keep the routes for a start without the store");
            self.kept = (published, Some(Instant::now()));
        }
    }

    async fn end(&mut self) {
        self.keep(Duration::ZERO).await;
        if let Some(identity) = &self.deployments.shared.identity
            && let Some(registry) = self.deployments.shared.store.replica_registry()
        {
            // It expires by itself where this fails.
            let farewell = registry.withdraw(&identity.id);
            let _ = timeout(FAREWELL, unwound(farewell)).await;
        }
    }

    fn succeeded(&mut self) {
        if self.failures > 0 {
            tracing::info!(failures = self.failures, "the store is back; routes are fresh");
        }
        self.failures = 0;
    }

    /// Only the first failure in a row is worth a line. What comes back may be another store than what was lost.
    fn failed(&mut self, error: &(dyn Error + 'static)) {
        if self.failures == 0 {
            tracing::warn!(error, "the store cannot be read; the last good routes stay");
        }
        self.deployments.shared.loader.require_whole_load();
        self.failures = self.failures.saturating_add(1);
    }
}

/// What came of `work`, which may neither hold up what follows nor end it.
async fn within_time<E: Into<BoxError>>(work: impl Future<Output = Result<(), E>>) -> Result<(), BoxError> {
    timeout(SIDELINE, unwound(work)).await??.map_err(Into::into)
}

/// Only the first failure in a row is worth a line.
fn note(failing: &mut bool, outcome: Result<(), BoxError>, what: &str) {
    let failed_before = std::mem::replace(failing, outcome.is_err());
    match outcome {
        Err(error) if !failed_before => tracing::warn!(error = &*error as &dyn Error, "{what}"),
        _ => {}
    }
}

/// What the store tells next. One that panics at it is not asked for a while.
async fn signal(deployments: &Deployments) -> Signal {
    loop {
        match unwound(deployments.shared.store.changed()).await {
            Ok(signal) => return signal,
            Err(_) => sleep(LONGEST_PAUSE).await,
        }
    }
}

/// A panic of a store or a cache of the host's.
#[derive(Debug, thiserror::Error)]
#[error("it panicked: {0}")]
pub(super) struct Panicked(String);

/// Ends with an error where `future` panics: whoever follows the store must not end with it.
pub(super) async fn unwound<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    // What it left half-done is not looked at: the store is read anew.
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(payload) => {
            let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
            Poll::Ready(Err(Panicked(text.unwrap_or_default())))
        }
    })
    .await
}

/// Doubles with every failure, up to a limit.
fn pause(period: Duration, failures: u32) -> Duration {
    period.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE.max(period))
}

fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.8..1.2))
}
