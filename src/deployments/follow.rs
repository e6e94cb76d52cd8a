//! Following the store for as long as the process runs.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};

use super::Deployments;
use crate::store::{Signal, StoreError};

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

/// How often routes that change all the time are kept.
const KEEP_EVERY: Duration = Duration::from_secs(5);

/// How long the end may take to tell the store of it.
const FAREWELL: Duration = Duration::from_millis(500);

pub(super) async fn until(
    deployments: &Deployments,
    period: Duration,
    shutdown: impl Future<Output = ()> + Send,
) {
    let mut follower = Follower { deployments, failures: 0, reported: None, kept: None };
    tokio::select! {
        () = shutdown => {}
        () = follower.follow(period) => {}
    }
    let _ = timeout(FAREWELL, unwound(follower.end())).await;
}

struct Follower<'a> {
    deployments: &'a Deployments,
    /// Refreshes that failed, in a row.
    failures: u32,
    /// Which revision was reported last, and when.
    reported: Option<(u64, Instant)>,
    /// Which revision was kept last, and when.
    kept: Option<(u64, Instant)>,
}

impl Follower<'_> {
    async fn follow(&mut self, period: Duration) {
        let deployments = self.deployments;
        let mut signal = pin!(signal(deployments));
        loop {
            tokio::select! {
                () = sleep(jittered(pause(period, self.failures))) => {}
                () = deployments.shared.unpublished.notified() => {}
                told = signal.as_mut() => {
                    signal.set(self::signal(deployments));
                    if told == Signal::Lost {
                        deployments.followed().load_whole();
                    }
                    sleep(SPREAD.mul_f64(rand::random())).await;
                }
            }
            match unwound(self.turn()).await {
                Ok(Ok(())) => self.succeeded(),
                Ok(Err(error)) => self.failed(&error),
                Err(panicked) => self.failed(&panicked),
            }
        }
    }

    async fn turn(&mut self) -> Result<(), StoreError> {
        self.deployments.refresh().await?;
        self.keep(KEEP_EVERY).await;
        self.report().await;
        Ok(())
    }

    /// A store that can be read and not written is followed all the same.
    async fn report(&mut self) {
        let Some(identity) = &self.deployments.shared.identity else { return };
        let revision = self.deployments.followed().revision();
        let current = |(reported, at): (u64, Instant)| reported == revision && at.elapsed() < REPORT_EVERY;
        if !self.reported.is_some_and(current) {
            let reported = self.deployments.shared.store.report(&identity.id, &identity.name, revision).await;
            if let Err(error) = reported {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot report what is served");
            }
            self.reported = Some((revision, Instant::now()));
        }
    }

    /// Keeps what changed, unless that was done less than `every` ago.
    async fn keep(&mut self, every: Duration) {
        let Some(cache) = &self.deployments.shared.cache else { return };
        let revision = self.deployments.followed().revision();
        let soon_enough = |(kept, at): (u64, Instant)| kept == revision || at.elapsed() < every;
        if !self.kept.is_some_and(soon_enough) {
            self.deployments.keep(&**cache).await;
            self.kept = Some((revision, Instant::now()));
        }
    }

    async fn end(&mut self) {
        // What was changed here a moment ago is to be kept as well.
        if self.deployments.refresh().await.is_ok() {
            self.keep(Duration::ZERO).await;
        }
        if let Some(identity) = &self.deployments.shared.identity {
            // It expires by itself where this fails.
            let _ = self.deployments.shared.store.withdraw(&identity.id).await;
        }
    }

    fn succeeded(&mut self) {
        if self.failures > 0 {
            tracing::info!(failures = self.failures, "the store is back; routes are fresh");
        }
        self.failures = 0;
    }

    /// Only the first failure in a row is worth a line. What comes back may be another store than what was lost.
    fn failed(&mut self, error: &(dyn std::error::Error + 'static)) {
        if self.failures == 0 {
            tracing::warn!(error, "the store cannot be read; the last good routes stay");
        }
        self.deployments.followed().load_whole();
        self.failures = self.failures.saturating_add(1);
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
#[derive(Debug, Error)]
#[error("it panicked: {0}")]
struct Panicked(String);

/// Ends with an error where `future` panics: whoever follows the store must not end with it.
async fn unwound<F: Future>(future: F) -> Result<F::Output, Panicked> {
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
    let period = period.clamp(SHORTEST_PERIOD, LONGEST_PERIOD);
    period.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE.max(period))
}

fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.8..1.2))
}
