//! The duty that drives rollouts.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep};

use super::engine::Engine;
use super::error::RolloutError;
use super::facts::{AllFigures, Facts};
use super::view::RolloutView;
use super::watch::Watch;
use super::write::LEASE;
use crate::common::error::BoxError;
use crate::deployments::{Duty, Label};
use crate::routing::ServiceName;
use crate::store::LiveRollouts;

/// One tick of one rollout.
type TickFuture<'a> = Pin<Box<dyn Future<Output = Result<(), RolloutError>> + Send + 'a>>;

/// The duty as it is logged and listed.
static LABEL: Label = Label {
    name: "drive-rollouts",
    failed: "rollouts cannot be driven; their weights stay",
    recovered: "rollouts are driven again",
};

/// The pause between two ticks of a rollout. A lease lasts longer than two of them, so a tick may be late.
const TICK_EVERY: Duration = Duration::from_secs(5);

/// How much longer or shorter a pause is, so that gateways do not write together for ever.
const SPREAD: f64 = 0.2;

/// The pause after a change of weights: gateways poll every second by default, and report what they have loaded at once.
///
/// Requests that began before the change count in the first window of a stage, if they end in it. That is no evidence against a
/// canary that is no worse: a plan only raises its weight, so that more of them went to the others than do now.
const SETTLE: Duration = Duration::from_secs(2);

/// The shortest time between two such pauses: each tick is of all rollouts, and many of them may change weights one by one.
const SETTLE_EVERY: Duration = Duration::from_secs(10);

/// The longest time from the end of a lease until another gateway takes it. They spread over it.
const TAKE_OVER_AFTER: Duration = Duration::from_secs(1);

/// The time limit of one run of the duty: longer than the time limits of a probe and of the store together.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// How many rollouts are driven at the same time: a probe of one must not delay the others.
const AT_ONCE: usize = 8;

/// Drives the rollouts that this process leads.
#[derive(Debug)]
pub(super) struct DriveRollouts {
    engine: Arc<Engine>,
    /// The services with a rollout.
    rolling: Receiver<Arc<BTreeSet<ServiceName>>>,
    /// The memory of each rollout that is led here, by its id.
    watches: BTreeMap<String, Watch>,
    /// When the tick after the last change of weights is due, or was. Ticks before it do not put it off.
    settles_at: Option<Instant>,
    /// The time until the first lease of another process ends, at the last tick.
    next_free: Option<Duration>,
    /// The ids of the stored rollouts that cannot be read, which were logged.
    unreadable: BTreeSet<String>,
}

impl DriveRollouts {
    /// Creates a duty that remembers no rollout yet. What it remembers is not needed to continue one: the
    /// store has all of it.
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        let rolling = engine.deployments.rolling();
        let watches = BTreeMap::new();
        Self { engine, rolling, watches, settles_at: None, next_free: None, unreadable: BTreeSet::new() }
    }

    /// Returns the rollouts that this gateway can read. Another one is left to gateways that can, and logged once.
    fn read_all(&mut self, live: LiveRollouts) -> Vec<RolloutView> {
        let mut rollouts = Vec::new();
        for stored in live.rollouts {
            let id = stored.id.clone();
            match RolloutView::read(stored) {
                Ok(rollout) => rollouts.push(rollout),
                Err(error) => {
                    if self.unreadable.insert(id) {
                        tracing::error!(%error, "this gateway does not drive a rollout");
                    }
                }
            }
        }
        rollouts
    }

    /// Reads all rollouts, records them for metrics, and drives those that this replica leads or may lead. Of
    /// the others it remembers when the next lease ends, to take over in time.
    async fn tick(&mut self) -> Result<(), RolloutError> {
        let replica = self.engine.replica()?.to_owned();
        let live = self.engine.store()?.live().await?;
        let now = live.now;
        let rollouts = self.read_all(live);
        self.engine.board.replace(&rollouts, now, &replica);
        let (led, others): (Vec<_>, Vec<_>) =
            rollouts.into_iter().partition(|rollout| rollout.stored.may_be_led_by(&replica, now, LEASE));
        let leases = others.iter().filter_map(|rollout| rollout.stored.lease_until);
        self.next_free = leases.filter_map(|until| until.duration_since(now).ok()).min();
        let led: BTreeMap<String, RolloutView> =
            led.into_iter().map(|rollout| (rollout.stored.id.clone(), rollout)).collect();
        self.watches.retain(|id, _| led.contains_key(id));
        if led.is_empty() {
            return Ok(());
        }
        for id in led.keys() {
            self.watches.entry(id.clone()).or_default();
        }
        let replicas = self.engine.deployments.replicas().await?;
        let mut facts = Facts::new(now, &replicas);
        if self.needs_figures(&led, &facts) {
            let figures = self.engine.deployments.reported_figures().await?;
            facts.figures = Some(AllFigures::read(figures).await);
        }
        self.lead_all(led, &facts).await
    }

    /// Returns the time until the next tick: sooner than usual if the lease of another process ends before, so that a rollout
    /// whose leader has ended is taken over then. Leases that were read before a tick that failed count no more.
    fn pause(&mut self) -> Duration {
        let own = self.own_pause();
        let Some(free) = self.next_free.take() else { return own };
        own.min(free.saturating_add(TAKE_OVER_AFTER.mul_f64(rand::random_range(0.1..1.0))))
    }

    /// Returns the time until the next tick of the rollouts that are led here. After a change of weights it ends
    /// [`SETTLE`] after the change, to begin a window. Otherwise it is the time until the end of a window of evidence, if that is
    /// [`TICK_EVERY`] within the [`SPREAD`], and a random one within it if not.
    fn own_pause(&mut self) -> Duration {
        let mut has_changed = false;
        for watch in self.watches.values_mut() {
            has_changed |= std::mem::take(&mut watch.has_changed);
        }
        let now = Instant::now();
        if has_changed && self.settles_at.is_none_or(|at| now + SETTLE >= at + SETTLE_EVERY) {
            self.settles_at = Some(now + SETTLE);
        }
        if let Some(at) = self.settles_at.filter(|at| *at > now) {
            return at - now;
        }
        let near = TICK_EVERY.mul_f64(1.0 - SPREAD)..=TICK_EVERY.mul_f64(1.0 + SPREAD);
        let ends = self.watches.values().filter_map(Watch::window_ends_in);
        let end = ends.filter(|end| near.contains(end)).min();
        end.unwrap_or_else(|| TICK_EVERY.mul_f64(rand::random_range(1.0 - SPREAD..1.0 + SPREAD)))
    }

    /// Returns whether a window of a rollout is over or can begin, so that the figures of all gateways are needed.
    fn needs_figures(&self, led: &BTreeMap<String, RolloutView>, facts: &Facts) -> bool {
        // Both are in the order of the ids, and have the same ones.
        let mut watched = self.watches.values().zip(led.values());
        watched
            .any(|(watch, rollout)| watch.is_due(rollout, facts.all_serve(rollout.stored.service_revision)))
    }

    /// Drives all rollouts. One that fails does not stop the others: the first error is returned after all were
    /// driven.
    async fn lead_all(
        &mut self,
        led: BTreeMap<String, RolloutView>,
        facts: &Facts,
    ) -> Result<(), RolloutError> {
        let engine = &*self.engine;
        // Both are in the order of the ids, and have the same ones.
        let mut ticks: Vec<TickFuture<'_>> = Vec::new();
        for (watch, rollout) in self.watches.values_mut().zip(led.into_values()) {
            ticks.push(Box::pin(engine.lead(rollout, watch, facts)));
        }
        let outcomes: Vec<_> = stream::iter(ticks).buffer_unordered(AT_ONCE).collect().await;
        outcomes.into_iter().collect()
    }
}

#[async_trait]
impl Duty for DriveRollouts {
    fn label(&self) -> &'static Label {
        &LABEL
    }

    async fn due(&mut self, _: u32) {
        if self.rolling.borrow_and_update().is_empty() {
            self.watches.clear();
            // The sender lives as long as the deployments, so waiting cannot fail.
            let _ = self.rolling.changed().await;
            return;
        }
        let pause = self.pause();
        tokio::select! {
            () = sleep(pause) => {}
            Ok(()) = self.rolling.changed() => {}
            () = answered(&mut self.watches) => {}
        }
    }

    async fn run(&mut self) -> Result<(), BoxError> {
        Ok(self.tick().await?)
    }

    fn time_limit(&self) -> Option<Duration> {
        Some(TIME_LIMIT)
    }
}

/// Waits until a gate of any rollout has answered. The answers are polled here alone, so a gate is waited for between
/// ticks.
async fn answered(watches: &mut BTreeMap<String, Watch>) {
    poll_fn(|context| {
        let mut is_answered = false;
        for watch in watches.values_mut() {
            is_answered |= watch.asks.poll(context);
        }
        if is_answered { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
