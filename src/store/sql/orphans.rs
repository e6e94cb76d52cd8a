//! Work on a connection that continues after its caller stopped waiting.
//!
//! When the future of a statement is dropped halfway, the driver returns its connection to the pool as it is. On
//! PostgreSQL and MySQL it may be in a transaction that the driver does not know of (dropped between `BEGIN` and the
//! reply), on MySQL also in the middle of a reply, which the next statement reads as its own. The next user of that
//! connection, which may be the application, would wait forever or write rows that are never committed.
//!
//! So the work is not dropped. [`RunToCompletion`] hands it over to [`Orphans`] and sets its [`CancelFlag`]; the next call
//! on the store, or the next wait for its signals, drives it to its end in [`Orphans::drive_while`]. Nothing is spawned.
//!
//! Work on a dead connection has no end: its server vanished without a word. After [`GRACE`] it is dropped, with the
//! connections of the store's own pool. Otherwise it would hold its connection and its turn for as long as TCP tries again,
//! which is about 15 minutes.
//!
//! # Why no wake-up is lost
//!
//! Every call polls all orphans whenever it is polled itself, and no call holds a lock while it waits. So no call depends
//! on another one, which may be dropped, or may rest for as long as its task does something else: the refresher keeps its
//! wait for signals while it loads.
//!
//! - *New work.* [`Orphans::adopt`] first queues the work and then wakes all drivers. A driver that starts later polls the
//!   queue before it waits.
//! - *A wake-up of work.* Work is polled with one waker that stands for [`Drivers`]: it wakes all of them, whichever of
//!   them polled last.
//! - *A driver that starts.* It registers its waker before it polls, so it is woken for all that happens after the poll.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::time::timeout;

use super::followed::Followed;
use crate::common::lock::lock;

/// Time that work has to reach its end after its caller stopped waiting. The databases end each statement and each idle
/// transaction earlier, so a connection on which nothing ends is dead.
const GRACE: Duration = Duration::from_secs(3);

/// Work on a connection, without its result: nobody waits for that any more.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Work whose caller stopped waiting and that is not done yet.
#[derive(Default)]
pub(super) struct Orphans {
    /// Closes the connections of work that does not end. `None` if the connections belong to the application: they cannot
    /// be closed, so the work is driven for as long as it takes.
    followed: Option<Arc<Followed>>,
    /// Work that no driver has polled yet.
    queued: Mutex<Vec<Work>>,
    /// Work that drivers poll. Locked while all of it is polled once.
    driven: Mutex<Vec<Work>>,
    drivers: Arc<Drivers>,
}

/// The calls that drive orphans now. As a waker, it wakes all of them.
#[derive(Default)]
struct Drivers {
    next_id: AtomicU64,
    wakers: Mutex<BTreeMap<u64, Waker>>,
}

/// One call among the [`Drivers`], until it is dropped.
struct Driver<'a> {
    id: u64,
    drivers: &'a Drivers,
}

/// Reports to work on a connection that its caller stopped waiting.
#[derive(Clone, Debug, Default)]
pub(super) struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Returns whether the caller stopped waiting.
    pub(super) fn is_set(&self) -> bool {
        // Relaxed: the work is not polled while its caller drops it, and the lock of `queued`, through which it passes to
        // the next driver, orders the store before this load.
        self.0.load(Ordering::Relaxed)
    }

    /// Reports that the caller is gone. It is never taken back.
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Orphans {
    /// Creates a list without work, for a pool that distrusts its connections through `followed`. `None`: the pool
    /// belongs to the application.
    pub(super) fn new(followed: Option<Arc<Followed>>) -> Self {
        Self { followed, ..Self::default() }
    }

    /// Drives the orphans until none is left.
    pub(super) async fn end_all(&self) {
        let all_ended = poll_fn(|_| {
            let is_empty = lock(&self.driven).is_empty() && lock(&self.queued).is_empty();
            if is_empty { Poll::Ready(()) } else { Poll::Pending }
        });
        tokio::select! {
            // In order: the second branch looks at what the first one left.
            biased;
            never = self.drive() => match never {},
            () = all_ended => {}
        }
    }

    /// Wraps `work` so that it reaches its end once it was polled, even if the returned future is dropped.
    pub(super) fn run_to_completion<F>(
        &self,
        work: impl FnOnce(CancelFlag) -> F,
    ) -> RunToCompletion<'_, F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let cancelled = CancelFlag::default();
        let work = Box::pin(work(cancelled.clone()));
        RunToCompletion { work: Some(work), polled: false, cancelled, orphans: self }
    }

    /// Runs `call`, and drives the orphans meanwhile.
    pub(super) async fn drive_while<F: Future>(&self, call: F) -> F::Output {
        tokio::select! {
            // `call` first: its output is returned without another poll of the orphans.
            biased;
            output = call => output,
            never = self.drive() => match never {},
        }
    }

    /// Polls the orphans whenever one of them, or a new one, wakes this call. Never returns.
    async fn drive(&self) -> Infallible {
        let driver = Driver::new(&self.drivers);
        poll_fn(|context| {
            driver.register(context.waker());
            self.poll_all();
            Poll::Pending
        })
        .await
    }

    /// Polls all orphans once and removes those that are done.
    fn poll_all(&self) {
        let mut driven = lock(&self.driven);
        driven.append(&mut lock(&self.queued));
        let waker = Waker::from(Arc::clone(&self.drivers));
        let mut context = Context::from_waker(&waker);
        driven.retain_mut(|work| poll_is_pending(work, &mut context));
    }

    /// Takes over work. It is queued before the drivers are woken, so a driver that is woken finds it.
    fn adopt(&self, work: Work) {
        lock(&self.queued).push(work);
        self.drivers.wake_all();
    }
}

impl Drivers {
    /// Wakes every call that drives orphans now.
    fn wake_all(&self) {
        // Woken without the lock, since a waker is code of the runtime.
        let wakers: Vec<Waker> = lock(&self.wakers).values().cloned().collect();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Drivers {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}

impl<'a> Driver<'a> {
    /// Creates a driver that is not registered yet: its first poll does that.
    fn new(drivers: &'a Drivers) -> Self {
        // Relaxed: only the number counts, and no two are equal by the atomicity of the addition.
        Self { id: drivers.next_id.fetch_add(1, Ordering::Relaxed), drivers }
    }

    /// Stores the waker with which this driver is woken, unless it is stored already.
    fn register(&self, waker: &Waker) {
        let mut wakers = lock(&self.drivers.wakers);
        if wakers.get(&self.id).is_some_and(|registered| registered.will_wake(waker)) {
            return;
        }
        let earlier = wakers.insert(self.id, waker.clone());
        // Dropped after the lock is released: it may be the last reference to a task, and that task a driver.
        drop(wakers);
        drop(earlier);
    }
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        // As in `register`, the waker is dropped after the lock is released.
        let _waker = lock(&self.drivers.wakers).remove(&self.id);
    }
}

/// Polls `work` once, and returns whether it has to be polled again. A panic belongs to no caller any more, and a
/// future that panicked must not be polled again: it counts as done.
fn poll_is_pending(work: &mut Work, context: &mut Context<'_>) -> bool {
    let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
    polled.is_ok_and(|poll| poll.is_pending())
}

/// The future of [`Orphans::run_to_completion`].
pub(super) struct RunToCompletion<'a, T: Send + 'static> {
    /// `None` once it is done.
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    /// Whether the work has begun.
    polled: bool,
    cancelled: CancelFlag,
    orphans: &'a Orphans,
}

impl<T: Send + 'static> Future for RunToCompletion<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.polled = true;
        let Some(work) = &mut self.work else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            self.work = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for RunToCompletion<'_, T> {
    fn drop(&mut self) {
        self.cancelled.set();
        // Work that was never polled holds no connection yet.
        let Some(work) = self.work.take().filter(|_| self.polled) else { return };
        let followed = self.orphans.followed.clone();
        self.orphans.adopt(Box::pin(end_in_time(work, followed)));
    }
}

/// Drives `work` to its end. Where its connection can be closed, work that takes longer than [`GRACE`] is dropped, and
/// the connections of the pool are distrusted.
async fn end_in_time<T>(mut work: Pin<Box<dyn Future<Output = T> + Send>>, followed: Option<Arc<Followed>>) {
    let Some(followed) = followed else {
        drop(work.await);
        return;
    };
    if timeout(GRACE, &mut work).await.is_err() {
        // Before the work is dropped and returns its connection, so that the pool closes it.
        followed.distrust(false);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;

    #[derive(Default)]
    struct Counts {
        begun: AtomicUsize,
        ended: AtomicUsize,
        cancelled: AtomicUsize,
    }

    /// Waits a few times, each time for another kind of wake-up.
    async fn work(counts: Arc<Counts>, cancelled: CancelFlag) {
        counts.begun.fetch_add(1, Ordering::SeqCst);
        for _ in 0..rand::random_range(0..4) {
            match rand::random_range(0..3) {
                0 => tokio::task::yield_now().await,
                1 => sleep(Duration::from_micros(rand::random_range(0..1_500))).await,
                _ => drop(tokio::task::spawn_blocking(|| {}).await),
            }
        }
        if cancelled.is_set() {
            counts.cancelled.fetch_add(1, Ordering::SeqCst);
        }
        counts.ended.fetch_add(1, Ordering::SeqCst);
    }

    /// Calls that are dropped at random moments, each of which may be the driver then.
    async fn drop_calls(orphans: Arc<Orphans>, counts: Arc<Counts>) {
        for _ in 0..500 {
            let call = orphans.run_to_completion(|cancelled| work(counts.clone(), cancelled));
            let moment = Duration::from_micros(rand::random_range(0..2_500));
            let _ = timeout(moment, orphans.drive_while(call)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn work_ends_though_drivers_are_dropped() {
        let orphans = Arc::new(Orphans::default());
        let counts = Arc::new(Counts::default());
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            callers.spawn(drop_calls(orphans.clone(), counts.clone()));
        }
        callers.join_all().await;
        // Only this call drives the rest, so a wake-up that was lost leaves it waiting.
        let all_ended = async {
            while counts.ended.load(Ordering::SeqCst) < counts.begun.load(Ordering::SeqCst) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(10), orphans.drive_while(all_ended)).await.unwrap();
        assert!(counts.cancelled.load(Ordering::SeqCst) > 100);
        assert!(lock(&orphans.queued).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn endless_orphan_is_dropped() {
        let followed = Arc::new(Followed::default());
        let orphans = Orphans::new(Some(Arc::clone(&followed)));
        let held = Arc::new(());
        let endless = orphans.run_to_completion(|_| {
            let held = Arc::clone(&held);
            async move {
                std::future::pending::<()>().await;
                drop(held);
            }
        });
        assert!(timeout(Duration::from_millis(1), endless).await.is_err());
        timeout(2 * GRACE, orphans.end_all()).await.unwrap();
        assert_eq!((Arc::strong_count(&held), followed.losses().connections), (1, 1));
    }

    #[tokio::test]
    async fn panicking_orphan_is_dropped() {
        let orphans = Orphans::default();
        let panicking = orphans.run_to_completion(|_| async {
            tokio::task::yield_now().await;
            panic!("in work that nobody waits for");
        });
        // Polls it once.
        tokio::select! {
            biased;
            () = panicking => unreachable!("it waits once"),
            () = std::future::ready(()) => {}
        }
        for _ in 0..2 {
            orphans.drive_while(sleep(Duration::from_millis(1))).await;
        }
        assert!(lock(&orphans.driven).is_empty());
    }
}
