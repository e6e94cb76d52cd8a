//! A store in memory with faults that a test switches on.
#![allow(dead_code, reason = "each test binary uses a part of the faults")]

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep};
use tower_canary::ServiceName;
use tower_canary::routing::Change;
use tower_canary::store::{
    Applied, BrokenSplit, ChangeRequest, HistoryEntry, LiveRollouts, MemoryStore, NewRollout, Refusal,
    RefusalLog, Replica, ReplicaFigures, ReplicaRegistry, Report, RolloutStore, RolloutWrite, RolloutWritten,
    RouteStore, Signal, Snapshot, StoreError, StoredRollout, StoredRolloutEvent,
};

/// One gateway's access to a store in memory. All faults are off at first.
pub(crate) struct FaultyStore {
    /// The store itself, without faults.
    pub(crate) memory: Arc<MemoryStore>,
    /// Every call fails.
    pub(crate) down: AtomicBool,
    /// Every write fails.
    pub(crate) read_only: AtomicBool,
    /// Refused changes cannot be recorded.
    pub(crate) log_full: AtomicBool,
    /// Every call panics.
    pub(crate) panics: AtomicBool,
    /// No split can be read.
    pub(crate) unreadable: AtomicBool,
    /// A load takes 50 ms before it reads.
    pub(crate) late: AtomicBool,
    /// A load, also of rollouts, takes 50 ms after it has read, and a commit 5 ms.
    pub(crate) slow: AtomicBool,
    /// A write to a rollout is made, and its answer is lost.
    pub(crate) loses_answers: AtomicBool,
    /// The next write to a rollout arrives after this time, when its sender has given up.
    pub(crate) write_delay: Mutex<Option<Duration>>,
    /// The results of writes that arrived late.
    pub(crate) late_writes: Arc<Mutex<Vec<RolloutWritten>>>,
    /// The time that this gateway reads with the rollouts, in place of the store's.
    pub(crate) stopped_clock: Mutex<Option<SystemTime>>,
    /// The content of a backup that was restored: every load returns it.
    pub(crate) older: Mutex<Option<Snapshot>>,
    /// A change of `auth` that is made while the splits are read, after the revision: in the next load of all splits
    /// (`true`), or of later changes.
    pub(crate) between: Mutex<Option<(bool, Change)>>,
    /// The signals of a store that sends them.
    pub(crate) signals: broadcast::Sender<Signal>,
    /// When loads were requested.
    pub(crate) reads: Mutex<Vec<Instant>>,
    /// When writes to rollouts were requested.
    pub(crate) rollout_writes: Mutex<Vec<Instant>>,
    /// When reports were made.
    pub(crate) reports: Mutex<Vec<Instant>>,
    /// The revisions after which changes were loaded.
    pub(crate) loads: Mutex<Vec<u64>>,
    sends_signals: bool,
    logs_refusals: bool,
    latency: Option<Range<f64>>,
    hook: Hook,
}

/// Runs at the start and at the end of calls, where it may panic.
#[derive(Clone)]
struct Hook(Arc<dyn Fn() + Send + Sync>);

impl Default for FaultyStore {
    fn default() -> Self {
        Self::over(Arc::default())
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").finish_non_exhaustive()
    }
}

impl FaultyStore {
    /// Creates the access of one more gateway to `memory`.
    pub(crate) fn over(memory: Arc<MemoryStore>) -> Self {
        Self {
            memory,
            down: AtomicBool::default(),
            read_only: AtomicBool::default(),
            log_full: AtomicBool::default(),
            panics: AtomicBool::default(),
            unreadable: AtomicBool::default(),
            late: AtomicBool::default(),
            slow: AtomicBool::default(),
            loses_answers: AtomicBool::default(),
            write_delay: Mutex::default(),
            late_writes: Arc::default(),
            stopped_clock: Mutex::default(),
            older: Mutex::default(),
            between: Mutex::default(),
            signals: broadcast::channel(64).0,
            reads: Mutex::default(),
            rollout_writes: Mutex::default(),
            reports: Mutex::default(),
            loads: Mutex::default(),
            sends_signals: false,
            logs_refusals: false,
            latency: None,
            hook: Hook(Arc::new(|| {})),
        }
    }

    /// Signals each commit to all that wait for it.
    pub(crate) fn with_signals(self) -> Self {
        Self { sends_signals: true, ..self }
    }

    pub(crate) fn with_refusal_log(self) -> Self {
        Self { logs_refusals: true, ..self }
    }

    /// Makes loads and reports take a random time, in seconds.
    pub(crate) fn with_latency(self, latency: Range<f64>) -> Self {
        Self { latency: Some(latency), ..self }
    }

    /// Runs `hook` at the start and at the end of each load and commit, and at the start of each read of the history.
    pub(crate) fn with_hook(self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        Self { hook: Hook(Arc::new(hook)), ..self }
    }

    /// Takes the revisions after which changes were loaded since the last call.
    pub(crate) fn loads(&self) -> Vec<u64> {
        std::mem::take(&mut self.loads.lock().unwrap())
    }

    fn reach(&self) -> Result<(), StoreError> {
        assert!(!is_on(&self.panics), "the store's own fault, with password=hunter2");
        fail_if(is_on(&self.down), "password=hunter2 at 10.9.8.7")
    }

    fn reach_for_write(&self) -> Result<(), StoreError> {
        self.reach()?;
        fail_if(is_on(&self.read_only), "full")
    }

    /// Makes a write after `delay`, whether its sender still waits or not.
    fn send_late(&self, write: RolloutWrite, delay: Duration) {
        let memory = Arc::clone(&self.memory);
        let late = Arc::clone(&self.late_writes);
        tokio::spawn(async move {
            sleep(delay).await;
            let written = memory.write_rollout(&write).await.unwrap();
            late.lock().unwrap().push(written);
        });
    }

    async fn wait_latency(&self) {
        if let Some(latency) = self.latency.clone() {
            sleep(Duration::from_secs_f64(rand::random_range(latency))).await;
        }
    }

    /// Reads the revision and then the splits, as a SQL store does.
    async fn read(&self, after: u64) -> Result<Snapshot, StoreError> {
        let mut snapshot = self.memory.load(after).await?;
        if snapshot.revision == after {
            snapshot.rollouts = None;
        }
        let between = self.between.lock().unwrap().take_if(|(all, _)| *all == (after == 0));
        if let Some((_, change)) = between {
            let request = ChangeRequest::new(change, "between").without_check();
            self.memory.commit(&"auth".parse().unwrap(), &request).await?;
            snapshot.splits = self.memory.load(after).await?.splits;
        }
        if is_on(&self.unreadable) {
            let services = snapshot.splits.drain(..).map(|split| split.service().to_string());
            snapshot.broken = services.map(|service| BrokenSplit::new(service, "by hand")).collect();
        }
        Ok(snapshot)
    }
}

#[async_trait]
impl RouteStore for FaultyStore {
    async fn load(&self, after: u64) -> Result<Snapshot, StoreError> {
        (self.hook.0)();
        self.reads.lock().unwrap().push(Instant::now());
        self.wait_latency().await;
        self.reach()?;
        self.loads.lock().unwrap().push(after);
        if is_on(&self.late) {
            sleep(Duration::from_millis(50)).await;
        }
        let older = self.older.lock().unwrap().clone();
        let snapshot = match older {
            Some(older) => older,
            None => self.read(after).await?,
        };
        if is_on(&self.slow) {
            sleep(Duration::from_millis(50)).await;
        }
        tokio::task::yield_now().await;
        (self.hook.0)();
        Ok(snapshot)
    }

    async fn commit(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError> {
        (self.hook.0)();
        self.reach_for_write()?;
        let applied = self.memory.commit(service, request).await;
        let _ = self.signals.send(Signal::Changed);
        if is_on(&self.slow) {
            sleep(Duration::from_millis(5)).await;
        }
        tokio::task::yield_now().await;
        (self.hook.0)();
        applied
    }

    async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        (self.hook.0)();
        self.reach()?;
        self.memory.history(service, before, limit).await
    }

    async fn changed(&self) -> Signal {
        if self.sends_signals {
            return self.signals.subscribe().recv().await.unwrap_or(Signal::Changed);
        }
        std::future::pending().await
    }

    fn refusal_log(&self) -> Option<&dyn RefusalLog> {
        self.logs_refusals.then_some(self)
    }

    fn replica_registry(&self) -> Option<&dyn ReplicaRegistry> {
        Some(self)
    }

    fn rollout_store(&self) -> Option<&dyn RolloutStore> {
        Some(self)
    }
}

#[async_trait]
impl RefusalLog for FaultyStore {
    async fn record_refusal(&self, refusal: &Refusal) -> Result<(), StoreError> {
        self.reach_for_write()?;
        fail_if(is_on(&self.log_full), "full")?;
        self.memory.record_refusal(refusal).await
    }

    async fn refusals(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Refusal>, StoreError> {
        self.reach()?;
        self.memory.refusals(service, before, limit).await
    }
}

#[async_trait]
impl ReplicaRegistry for FaultyStore {
    async fn report(&self, report: &Report) -> Result<(), StoreError> {
        self.reports.lock().unwrap().push(Instant::now());
        self.wait_latency().await;
        self.reach_for_write()?;
        self.memory.report(report).await
    }

    async fn withdraw(&self, id: &str) -> Result<(), StoreError> {
        self.reach_for_write()?;
        self.memory.withdraw(id).await
    }

    async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        self.reach()?;
        self.memory.replicas().await
    }

    async fn figures(&self) -> Result<Vec<ReplicaFigures>, StoreError> {
        self.reach()?;
        self.memory.figures().await
    }
}

#[async_trait]
impl RolloutStore for FaultyStore {
    async fn live(&self) -> Result<LiveRollouts, StoreError> {
        self.reach()?;
        let live = self.memory.live().await?;
        if is_on(&self.slow) {
            sleep(Duration::from_millis(50)).await;
        }
        let stopped = *self.stopped_clock.lock().unwrap();
        Ok(LiveRollouts::new(stopped.unwrap_or(live.now), live.rollouts))
    }

    async fn rollout(&self, id: &str) -> Result<Option<StoredRollout>, StoreError> {
        self.reach()?;
        self.memory.rollout(id).await
    }

    async fn rollouts(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<StoredRollout>, StoreError> {
        self.reach()?;
        self.memory.rollouts(service, before, limit).await
    }

    async fn rollout_events(&self, id: &str, limit: u32) -> Result<Vec<StoredRolloutEvent>, StoreError> {
        self.reach()?;
        self.memory.rollout_events(id, limit).await
    }

    async fn start_rollout(&self, new: &NewRollout) -> Result<StoredRollout, StoreError> {
        (self.hook.0)();
        self.reach_for_write()?;
        let started = self.memory.start_rollout(new).await?;
        let _ = self.signals.send(Signal::Changed);
        fail_if(is_on(&self.loses_answers), "the connection was lost")?;
        Ok(started)
    }

    async fn write_rollout(&self, write: &RolloutWrite) -> Result<RolloutWritten, StoreError> {
        (self.hook.0)();
        self.rollout_writes.lock().unwrap().push(Instant::now());
        self.reach_for_write()?;
        let delay = self.write_delay.lock().unwrap().take();
        if let Some(delay) = delay {
            self.send_late(write.clone(), delay);
            std::future::pending::<()>().await;
        }
        let written = self.memory.write_rollout(write).await?;
        let _ = self.signals.send(Signal::Changed);
        tokio::task::yield_now().await;
        (self.hook.0)();
        fail_if(is_on(&self.loses_answers), "the connection was lost")?;
        Ok(written)
    }
}

fn is_on(fault: &AtomicBool) -> bool {
    fault.load(Ordering::SeqCst)
}

fn fail_if(failed: bool, cause: &'static str) -> Result<(), StoreError> {
    if failed { Err(StoreError::Unavailable(cause.into())) } else { Ok(()) }
}
