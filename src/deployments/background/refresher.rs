//! Follows the store.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::duty::{Duty, Label};
use super::unwind::catch_panic;
use crate::common::error::BoxError;
use crate::deployments::loader::Loader;
use crate::store::{RouteStore, Signal};

/// The duty as it is logged and listed.
static LABEL: Label = Label {
    name: "refresh",
    failed: "the store cannot be read; the last good routes stay in use",
    recovered: "the store is back; routes are fresh",
};

/// Longest pause between two attempts while the store is down, before jitter and unless the period is longer. With
/// jitter it is 3.6 seconds, so routes are fresh within 5 seconds of the return of the store.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// The shortest pause between two polls.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);
/// The longest pause between two polls. It keeps a jittered pause within the range of an `Instant`.
const LONGEST_PERIOD: Duration = Duration::from_hours(24);

/// Longest wait between a signal and the load. Replicas that are notified together then do not all read together, and
/// signals in quick succession cause one load.
const SPREAD: Duration = Duration::from_millis(20);

/// Loads changes from the store and publishes them.
#[derive(Debug)]
pub(in crate::deployments) struct Refresher {
    loader: Arc<Loader>,
    signals: Signals,
    /// Notified when a change may be committed but not published.
    unpublished: Arc<Notify>,
    period: Duration,
}

impl Refresher {
    /// Creates the duty, which polls the store about every `period`: 10 ms to one day, clamped. `unpublished` wakes it
    /// when a change was made and its caller did not publish it.
    pub(in crate::deployments) fn new(
        store: Arc<dyn RouteStore>,
        loader: Arc<Loader>,
        unpublished: Arc<Notify>,
        period: Duration,
    ) -> Self {
        let period = period.clamp(SHORTEST_PERIOD, LONGEST_PERIOD);
        Self { loader, signals: Signals::new(store), unpublished, period }
    }

    /// Returns the pause between two polls, within its limits and before jitter.
    pub(in crate::deployments) const fn period(&self) -> Duration {
        self.period
    }
}

#[async_trait]
impl Duty for Refresher {
    fn label(&self) -> &'static Label {
        &LABEL
    }

    async fn due(&mut self, failures: u32) {
        if failures > 0 {
            // After an outage the store may be another one than before, such as a replica or a backup.
            self.loader.require_whole_load();
        }
        tokio::select! {
            () = sleep(jittered(pause(self.period, failures))) => {}
            () = self.unpublished.notified() => {}
            signal = self.signals.next() => follow(&self.loader, signal).await,
        }
    }

    async fn run(&mut self) -> Result<(), BoxError> {
        Ok(self.loader.refresh().await?)
    }
}

/// Prepares the load after a signal of the store: waits for up to [`SPREAD`], and requires a load of all splits if the
/// connection was lost meanwhile.
async fn follow(loader: &Loader, signal: Signal) {
    if signal == Signal::Lost {
        loader.require_whole_load();
    }
    sleep(SPREAD.mul_f64(rand::random())).await;
}

/// Returns the pause before the next poll: the period, doubled for each of the last `failures`, up to [`LONGEST_PAUSE`]
/// or the period, whichever is longer.
fn pause(period: Duration, failures: u32) -> Duration {
    period.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE.max(period))
}

/// Returns the pause ± 20 %, so that gateways that started together do not poll together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.8..1.2))
}

/// The signals of the store. The future of the next one is kept while the refresher does something else, since the
/// store may lose signals that nothing waits for.
struct Signals {
    store: Arc<dyn RouteStore>,
    next: Pin<Box<dyn Future<Output = Signal> + Send>>,
}

impl Signals {
    /// Starts to wait for signals at the first call of [`next`](Self::next).
    fn new(store: Arc<dyn RouteStore>) -> Self {
        let next = Box::pin(next_signal(Arc::clone(&store)));
        Self { store, next }
    }

    /// Waits for the next signal. Dropping the future loses none.
    async fn next(&mut self) -> Signal {
        let signal = self.next.as_mut().await;
        self.next = Box::pin(next_signal(Arc::clone(&self.store)));
        signal
    }
}

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signals").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Waits for a signal. A store that panics is called again after a pause.
async fn next_signal(store: Arc<dyn RouteStore>) -> Signal {
    loop {
        match catch_panic(store.changed()).await {
            Ok(signal) => return signal,
            Err(_) => sleep(LONGEST_PAUSE).await,
        }
    }
}
