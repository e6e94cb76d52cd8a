//! hyper's future of an HTTP/1.1 connection, and who polls it.
//!
//! The task of the request that uses the connection polls it, so no other task has to run for the response. Otherwise the
//! driver of the connection does: while it is idle, during an upgrade, and after a response that ended before its request.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker, ready};

use futures_util::task::AtomicWaker;

use crate::common::lock::lock;

/// The task of a request polls hyper. Otherwise the driver does.
const BY_REQUEST: u8 = 1;
/// The request polls at this moment.
const POLLING: u8 = 1 << 1;
/// hyper was woken since the state was stored last. Only the end of a poll by the request looks at it.
const WOKEN: u8 = 1 << 2;

/// hyper's future of one connection.
pub(super) struct Engine {
    /// `None` once it has ended.
    hyper: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    /// What hyper gets as its waker, whoever polls: a change of hands then loses no wake-up.
    waker: Waker,
    turn: Arc<Turn>,
}

/// Wakes the task that polls hyper.
#[derive(Debug, Default)]
struct Turn {
    state: AtomicU8,
    request: AtomicWaker,
    driver: AtomicWaker,
}

impl Engine {
    /// Wraps hyper's future of a new connection, which the driver polls until a request begins.
    pub(super) fn new(hyper: impl Future<Output = ()> + Send + 'static) -> Self {
        let turn = Arc::<Turn>::default();
        Self { hyper: Mutex::new(Some(Box::pin(hyper))), waker: Waker::from(Arc::clone(&turn)), turn }
    }

    /// Lets the task of a request poll hyper from now on.
    pub(super) fn begin_request(&self) {
        // Before the request is queued, so that the driver is not woken for it. Release: pairs with the Acquire in `wake_by_ref`.
        self.turn.state.store(BY_REQUEST, Ordering::Release);
    }

    /// Lets the driver poll hyper when hyper is woken. Returns whether hyper was woken since the request polled it last, so
    /// that the driver has to be woken.
    ///
    /// After this the connection may be given to another request. So nothing of its turn may be changed any more.
    pub(super) fn end_request(&self) -> bool {
        // AcqRel: pairs with the change in `wake_by_ref`.
        let state = self.turn.state.swap(0, Ordering::AcqRel);
        // The task of the request may live long. It is not woken for this connection any more.
        drop(self.turn.request.take());
        state & WOKEN != 0
    }

    /// Wakes the driver.
    pub(super) fn wake_driver(&self) {
        self.turn.driver.wake();
    }

    /// Lets the driver poll hyper, and wakes it.
    pub(super) fn hand_over(&self) {
        self.end_request();
        self.wake_driver();
    }

    /// Polls `result`, which hyper brings about, and hyper where it is the turn of the request.
    ///
    /// A request makes progress only while this is polled.
    pub(super) fn poll_for_request<T>(
        &self,
        cx: &mut Context<'_>,
        mut result: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if !self.turn.is_by_request() {
            return result(cx);
        }
        // With the waker of hyper, which brings the result about. During the poll below it only sets a bit, since the result is
        // looked at after it. tokio wakes it later if a task has used up its budget.
        let mut woken_as_hyper = Context::from_waker(&self.waker);
        // First, since hyper may wait until the result is wanted.
        if let Poll::Ready(result) = result(&mut woken_as_hyper) {
            return Poll::Ready(result);
        }
        self.turn.begin_poll();
        if self.poll_hyper(true).is_ready() {
            self.hand_over();
            return result(cx);
        }
        let polled = result(&mut woken_as_hyper);
        self.turn.end_poll(polled.is_ready(), cx);
        polled
    }

    /// Registers the waker of the driver.
    pub(super) fn register_driver(&self, cx: &Context<'_>) {
        self.turn.driver.register(cx.waker());
    }

    /// Polls hyper unless a request does. Ready once the connection has ended. The driver has registered its waker.
    pub(super) fn poll_by_driver(&self) -> Poll<()> {
        // Without the lock first: a request may hold it for as long as its body takes.
        if self.turn.is_by_request() {
            return Poll::Pending;
        }
        self.poll_hyper(false)
    }

    /// Drops hyper's future, which closes the connection, and wakes the request that it served.
    pub(super) fn stop(&self) {
        // Dropped without the lock: it drops the request body, which is code of the application.
        let hyper = lock(&self.hyper).take();
        drop(hyper);
        // A request that is about to wait sees it at the end of its poll.
        self.waker.wake_by_ref();
    }

    /// Polls hyper if it is the turn of the caller, a request or the driver. Ready once the connection has ended.
    fn poll_hyper(&self, by_request: bool) -> Poll<()> {
        let mut hyper = lock(&self.hyper);
        let Some(future) = &mut *hyper else { return Poll::Ready(()) };
        // Under the lock: a request that begins after this polls after the driver, and sees all that this poll brings about.
        if self.turn.is_by_request() != by_request {
            return Poll::Pending;
        }
        ready!(future.as_mut().poll(&mut Context::from_waker(&self.waker)));
        let ended = hyper.take();
        drop(hyper);
        drop(ended);
        Poll::Ready(())
    }
}

impl Turn {
    /// Returns whether the task of a request polls hyper.
    fn is_by_request(&self) -> bool {
        self.state.load(Ordering::Acquire) & BY_REQUEST != 0
    }

    /// Begins a poll by the request, and clears [`WOKEN`]: the poll is later than a wake-up before this.
    fn begin_poll(&self) {
        // Release: pairs with the change in `wake_by_ref`, which leaves wake-ups to `end_poll` from now on. What a wake-up
        // announces is behind a lock of its own: the state carries no data.
        self.state.store(BY_REQUEST | POLLING, Ordering::Release);
    }

    /// Ends a poll by the request. If the request goes on waiting, its task is woken when hyper is.
    ///
    /// A request that goes on polls again, so it need not be woken for that.
    fn end_poll(&self, is_ready: bool, cx: &Context<'_>) {
        if is_ready {
            self.state.store(BY_REQUEST, Ordering::Release);
            return;
        }
        self.request.register(cx.waker());
        // AcqRel: one of this and the change in `wake_by_ref` sees the other. So the task is woken here, or by the waker that
        // was registered before.
        let state = self.state.swap(BY_REQUEST, Ordering::AcqRel);
        if state & WOKEN != 0 {
            cx.waker().wake_by_ref();
        }
    }
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // AcqRel: pairs with `end_poll`, and with the stores of a change of hands.
        let state = self.state.fetch_or(WOKEN, Ordering::AcqRel);
        if state & POLLING != 0 {
            return;
        }
        if state & BY_REQUEST != 0 {
            self.request.wake();
        } else {
            self.driver.wake();
        }
    }
}
