//! Checks instances, and decides which of them are in service.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::duty::{Duty, Label};
use super::unwind::Panicked;
use crate::common::error::BoxError;
use crate::deployments::checker::Checker;
use crate::deployments::checks::{CheckId, EndedCheck, HealthLog, Target, Targets, Verdict, check};
use crate::deployments::clock::now;
use crate::deployments::publisher::Publisher;
use crate::deployments::recorder;
use crate::handle::{Fleet, RoutingHandle};
use crate::health::{Event, Health};

/// The duty as it is logged and listed.
static LABEL: Label = Label {
    name: "check-health",
    failed: "an instance cannot be checked; its state stays",
    recovered: "all instances can be checked again",
};

/// Time between two looks at ejections, shares of slow start and the activity of services.
const TICK: Duration = Duration::from_secs(1);

/// Shortest time between two looks at the published routes, which may change all the time.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);

/// Time by which a check may start late, so that the checks of this time start together. A check that starts alone
/// finds the caches and the reactor cold, which is most of its cost.
const GATHER: Duration = Duration::from_millis(50);

/// A check under way. Its result comes back to the duty, which alone applies it.
type Running = Pin<Box<dyn Future<Output = EndedCheck> + Send>>;

/// Checks the instances of the published routes, and applies everything that changes their health.
///
/// `due` waits and collects, `run` applies and starts checks without waiting. The checks that run are kept in between, and
/// are polled in `due` only.
#[derive(Debug)]
pub(in crate::deployments) struct HealthChecker {
    checker: Arc<Checker>,
    handle: RoutingHandle,
    log: Arc<HealthLog>,
    /// The time limit of a check.
    limit: Duration,
    targets: Targets,
    /// The fleets of the routes when they were followed last.
    fleets: Vec<Arc<Fleet>>,
    running: FuturesUnordered<Running>,
    /// Checks whose results `run` has not applied yet.
    ended: Vec<EndedCheck>,
    /// Instances whose row of failed requests is full, which `run` has not applied yet.
    rows: Vec<(Arc<Fleet>, usize)>,
    published: watch::Receiver<()>,
    /// When to follow the published routes. `None`: they have not changed.
    follow_at: Option<Instant>,
    /// When they were followed last. `None`: not yet.
    followed_at: Option<Instant>,
    next_tick: Instant,
    /// The last check that panicked, while no check of its instance has ended since.
    panicked: Option<(CheckId, Panicked)>,
    /// Whether `run` has begun and not ended.
    is_in_run: bool,
}

impl HealthChecker {
    /// Creates the duty. `seed` differs between gateways.
    pub(in crate::deployments) fn new(
        checker: Arc<Checker>,
        publisher: &Publisher,
        log: Arc<HealthLog>,
        settings: &Health,
        seed: u64,
    ) -> Self {
        Self {
            checker,
            handle: publisher.handle().clone(),
            log,
            limit: settings.timeout(),
            targets: Targets::new(settings, seed),
            fleets: Vec::new(),
            running: FuturesUnordered::new(),
            ended: Vec::new(),
            rows: Vec::new(),
            published: publisher.subscribe(),
            follow_at: Some(now()),
            followed_at: None,
            next_tick: now() + TICK,
            panicked: None,
            is_in_run: false,
        }
    }

    /// Returns the time of the next work that needs no event: a look at the routes, a check or a tick.
    fn next_wake(&self) -> Instant {
        let times = [self.follow_at, self.targets.next_due().map(|due| due + GATHER)];
        times.into_iter().flatten().fold(self.next_tick, Instant::min)
    }

    /// Schedules the next look at the published routes, at most one per [`FOLLOW_EVERY`].
    fn schedule_follow(&mut self) {
        let earliest = self.followed_at.map_or_else(now, |at| now().max(at + FOLLOW_EVERY));
        self.follow_at.get_or_insert(earliest);
    }

    /// Follows the published routes, if they have changed.
    fn follow(&mut self, now: Instant) {
        if self.follow_at.is_none_or(|at| at > now) {
            return;
        }
        self.follow_at = None;
        self.followed_at = Some(now);
        self.fleets = self.handle.fleets();
        for fleet in self.targets.follow(&self.fleets, &self.handle, now) {
            self.leave_unchecked(&fleet, now);
        }
        self.panicked = self.panicked.take().filter(|(id, _)| self.targets.get(*id).is_some());
        self.log.retain(&self.fleets);
        for fleet in &self.fleets {
            self.log.record_usability(fleet);
        }
    }

    /// Puts those instances of `fleet` into service that wait for a check: none is made, since there is no health path.
    fn leave_unchecked(&self, fleet: &Fleet, now: Instant) {
        for i in 0..fleet.instances().len().get() {
            self.log.apply(fleet, i, Event::Unchecked, None, now);
        }
    }

    /// Lets time pass for the instances that wait for it, such as ejected ones, at most once per [`TICK`].
    fn tick(&mut self, now: Instant) {
        if self.next_tick > now {
            return;
        }
        self.next_tick = now + TICK;
        for fleet in self.fleets.iter().filter(|fleet| fleet.needs_tick()) {
            self.log.tick(fleet, now);
        }
        self.targets.record_requests(now);
    }

    /// Applies the result of a check to the instance as it is published now.
    fn finish_check(&mut self, ended: EndedCheck, now: Instant) {
        let target = self.targets.get(ended.id);
        if let Some(target) = &target {
            self.apply_check(target, &ended, now);
        }
        self.targets.finish(ended.id, now);
        if let (Some(target), Some(passed)) = (target, ended.passed()) {
            recorder::record_check(target.fleet().service(), target.fleet().version(), passed);
        }
        self.record_panic(ended);
    }

    /// Records the result of a check, and applies it to the state of the instance. A check that panicked changes no
    /// state: it says nothing about the instance.
    fn apply_check(&self, target: &Target, ended: &EndedCheck, now: Instant) {
        let fleet = target.fleet();
        if let Some(last) = ended.last_check() {
            fleet.record_check(target.index(), last);
        }
        if let Some(event) = ended.event() {
            self.log.apply(fleet, target.index(), event, ended.cause(), now);
        }
    }

    /// Keeps the last panic until a check of the same instance ends in another way. As long as there is one,
    /// the duty counts as failing.
    fn record_panic(&mut self, ended: EndedCheck) {
        match ended.verdict {
            Verdict::Panicked(panicked) => self.panicked = Some((ended.id, panicked)),
            _ => self.panicked = self.panicked.take().filter(|(id, _)| *id != ended.id),
        }
    }

    /// Starts all checks that are due and have a place.
    fn start_checks(&mut self, now: Instant) {
        while let Some((id, target)) = self.targets.start(now) {
            self.running.push(Box::pin(check(Arc::clone(&self.checker), self.limit, id, target)));
        }
    }
}

#[async_trait]
impl Duty for HealthChecker {
    fn label(&self) -> &'static Label {
        &LABEL
    }

    /// Waits for the first of: a check that ends, a full row of failed requests, a publication, the time of the next check.
    /// Each is in a field before the future can be dropped.
    async fn due(&mut self, _: u32) {
        if self.is_in_run {
            // Code of the application panicked in `run`: a recorder of metrics or a subscriber of `tracing`.
            sleep(TICK).await;
        }
        let wake = self.next_wake();
        tokio::select! {
            Some(ended) = self.running.next() => self.ended.push(ended),
            row = self.handle.next_row() => self.rows.push(row),
            Ok(()) = self.published.changed() => self.schedule_follow(),
            () = sleep_until(wake.into()) => {}
        }
    }

    async fn run(&mut self) -> Result<(), BoxError> {
        self.is_in_run = true;
        let now = now();
        while let Some(ended) = self.ended.pop() {
            self.finish_check(ended, now);
        }
        while let Some((fleet, i)) = self.rows.pop() {
            self.log.apply(&fleet, i, Event::RowFull, None, now);
        }
        self.follow(now);
        self.tick(now);
        self.start_checks(now);
        // Last: if a subscriber panics, everything else is done, and no check keeps its place in the schedule for ever.
        self.log.log_new_events();
        self.is_in_run = false;
        match &self.panicked {
            Some((_, panicked)) => Err(panicked.to_string().into()),
            None => Ok(()),
        }
    }
}
