//! The idle limit of bodies: an exchange in which no frame moves is ended, even if nothing polls its bodies.
//!
//! A server polls a response body only while the client reads, and a client polls a request body only while the backend
//! reads. So a timer inside of a body is not enough. The bodies of an exchange are shared with its watch, a future that the
//! application's executor runs, and the watch drops them.
//!
//! Most responses are complete with their first frame, and their requests have no body. That frame is read at once, and no
//! watch is needed: nothing is left that could occupy the backend.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use thiserror::Error;
use tokio::sync::oneshot;

use super::activity::Activity;
use crate::common::error::BoxError;
use crate::common::lock::lock;

/// The limit of [`Proxy::with_body_idle_timeout`](super::Proxy::with_body_idle_timeout).
pub(super) struct IdleLimit {
    pub(super) limit: Duration,
    pub(super) executor: Box<dyn Executor<BodyWatch> + Send + Sync>,
}

/// The future that ends the bodies of one exchange when no frame has moved for the idle time.
///
/// The executor that you give to [`Proxy::with_body_idle_timeout`](super::Proxy::with_body_idle_timeout) runs it. It ends as
/// soon as both bodies have ended. Dropping it lifts the limit for its exchange.
#[must_use = "futures do nothing unless polled"]
pub struct BodyWatch(Pin<Box<dyn Future<Output = ()> + Send>>);

/// No frame moved for the idle time.
#[derive(Debug, Error)]
#[error("no frame of the request or of the response moved for the idle time")]
struct IdleTooLong(());

/// The bodies of an exchange, before its response head has arrived.
#[derive(Debug)]
pub(super) struct PendingWatch {
    exchange: Arc<Exchange>,
    closed: oneshot::Receiver<Infallible>,
    request: Option<Weak<dyn Endable>>,
}

/// What the bodies of an exchange share while they exist.
#[derive(Debug)]
struct Exchange {
    activity: Activity,
    /// Dropped with the last body, which ends the watch.
    _open: oneshot::Sender<Infallible>,
}

/// A body that the watch can end. The owner of the body polls it, and the watch has a weak reference to it.
#[derive(Debug)]
pub(super) struct Watched<T> {
    state: Mutex<State<T>>,
    exchange: Arc<Exchange>,
}

#[derive(Debug)]
struct State<T> {
    /// `None` after the watch has ended the body.
    body: Option<Pin<Box<T>>>,
    /// The waker of the last poll, if that poll had no frame.
    waiting: Option<Waker>,
}

/// What a body records when the watch ends it.
pub(super) trait RecordIdle {
    /// Records the end. `is_waiting` is whether a reader waited for the next frame, so that its source is at fault.
    fn record_idle(&self, is_waiting: bool);
}

/// A [`Watched`] body of any type.
trait Endable: Send + Sync {
    /// Drops the body, records the end, and wakes its reader, which then gets an error.
    fn end(&self);
}

impl PendingWatch {
    /// Creates a watch without bodies. It starts with the body of the response.
    pub(super) fn new() -> Self {
        let (open, closed) = oneshot::channel();
        let exchange = Arc::new(Exchange { activity: Activity::new(), _open: open });
        Self { exchange, closed, request: None }
    }

    /// Shares the body of the request.
    pub(super) fn watch_request<T>(&mut self, body: T) -> Arc<Watched<T>>
    where
        T: RecordIdle + Send + 'static,
    {
        let watched = Arc::new(Watched::new(Box::pin(body), Arc::clone(&self.exchange)));
        let request: Weak<Watched<T>> = Arc::downgrade(&watched);
        self.request = Some(request);
        watched
    }

    /// Returns whether the body of the request was sent or dropped, or never existed.
    pub(super) fn is_request_done(&self) -> bool {
        self.request.as_ref().is_none_or(|body| body.strong_count() == 0)
    }

    /// Shares the body of the response, and starts the limit.
    pub(super) fn start<T>(self, body: Pin<Box<T>>, limit: &IdleLimit) -> Arc<Watched<T>>
    where
        T: RecordIdle + Send + 'static,
    {
        let watched = Arc::new(Watched::new(body, Arc::clone(&self.exchange)));
        let response: Weak<Watched<T>> = Arc::downgrade(&watched);
        self.exchange.activity.record();
        let exchange = Arc::downgrade(&self.exchange);
        let watch = watch(exchange, self.closed, response, self.request, limit.limit);
        limit.executor.execute(BodyWatch(Box::pin(watch)));
        watched
    }
}

/// Waits until both bodies have ended by themselves, or ends them when no frame has moved for `limit`.
///
/// It holds no body and nothing else that keeps a request in flight.
async fn watch(
    exchange: Weak<Exchange>,
    mut closed: oneshot::Receiver<Infallible>,
    response: Weak<dyn Endable>,
    request: Option<Weak<dyn Endable>>,
    limit: Duration,
) {
    while let Some(deadline) = exchange.upgrade().map(|exchange| exchange.activity.deadline(limit)) {
        if deadline <= tokio::time::Instant::now() {
            // The response first: its outcome counts for the request.
            for body in [Some(response), request].into_iter().flatten().filter_map(|body| body.upgrade()) {
                body.end();
            }
            return;
        }
        tokio::select! {
            _ = &mut closed => return,
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}

impl<T> Watched<T> {
    fn new(body: Pin<Box<T>>, exchange: Arc<Exchange>) -> Self {
        Self { state: Mutex::new(State { body: Some(body), waiting: None }), exchange }
    }
}

impl<T: Body<Error = BoxError>> Watched<T> {
    /// Polls the body, and records each frame as a movement. A body that the watch has ended has an error.
    pub(super) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<T::Data>, BoxError>>> {
        let mut state = lock(&self.state);
        let Some(body) = &mut state.body else { return Poll::Ready(Some(Err(IdleTooLong(()).into()))) };
        let polled = body.as_mut().poll_frame(cx);
        state.waiting = polled.is_pending().then(|| cx.waker().clone());
        if let Poll::Ready(Some(Ok(_))) = polled {
            self.exchange.activity.record();
        }
        polled
    }

    /// Returns whether the body has ended. One that the watch has ended has not: an error follows.
    pub(super) fn is_end_stream(&self) -> bool {
        lock(&self.state).body.as_ref().is_some_and(|body| body.is_end_stream())
    }

    /// Returns the size of the rest of the body. It is unknown after the watch has ended the body.
    pub(super) fn size_hint(&self) -> SizeHint {
        lock(&self.state).body.as_ref().map_or_else(SizeHint::default, |body| body.size_hint())
    }
}

impl<T: RecordIdle + Send> Endable for Watched<T> {
    fn end(&self) {
        let mut state = lock(&self.state);
        let body = state.body.take();
        let waiting = state.waiting.take();
        drop(state);
        // Outside of the lock: dropping a body and waking a task run code of others.
        if let Some(body) = &body {
            body.record_idle(waiting.is_some());
        }
        drop(body);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

impl fmt::Debug for IdleLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleLimit").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Future for BodyWatch {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for BodyWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyWatch").finish_non_exhaustive()
    }
}
