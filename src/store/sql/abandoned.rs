//! Work on a connection, which goes on to its end when nobody waits for it any longer.
//!
//! A driver whose work is dropped halfway gives the connection back to the pool as it is: on PostgreSQL and MySQL, between
//! `BEGIN` and its answer, in a transaction that the driver knows nothing of; on MySQL also in the middle of an answer,
//! which the next statement takes for its own. Whoever gets that connection, the host too, would wait for ever or write
//! what is never committed. So the work is not dropped but told that it was [given up](GivenUp), and whoever uses the
//! store next, or waits for its signals, brings it to its end beside what they do.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::sync::Notify;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What was given up and is not at its end yet.
#[derive(Default)]
pub(super) struct Abandoned {
    new: Mutex<Vec<Work>>,
    more: Notify,
    /// Held by the one who brings it to its end; the others take over when that one goes.
    underway: tokio::sync::Mutex<Vec<Work>>,
}

/// Tells work whether anybody still waits for it.
#[derive(Clone, Debug, Default)]
pub(super) struct GivenUp(Arc<AtomicBool>);

impl GivenUp {
    pub(super) fn is_true(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Abandoned {
    /// Does `work`, to its end once it was begun.
    pub(super) fn unbroken<F>(&self, work: impl FnOnce(GivenUp) -> F) -> Unbroken<'_, F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let given_up = GivenUp::default();
        Unbroken { work: Some(Box::pin(work(given_up.clone()))), begun: false, given_up, abandoned: self }
    }

    /// What `call` gives; meanwhile what was given up goes on.
    pub(super) async fn going_on_while<F: Future>(&self, call: F) -> F::Output {
        tokio::select! {
            biased;
            output = call => output,
            never = self.go_on() => match never {},
        }
    }

    async fn go_on(&self) -> Infallible {
        let mut underway = self.underway.lock().await;
        loop {
            underway.append(&mut lock(&self.new));
            let going_on = poll_fn(|context| {
                underway.retain_mut(|work| work.as_mut().poll(context).is_pending());
                Poll::<Infallible>::Pending
            });
            tokio::select! {
                never = going_on => match never {},
                () = self.more.notified() => {}
            }
        }
    }

    fn take(&self, work: Work) {
        lock(&self.new).push(work);
        self.more.notify_one();
    }
}

/// The future of [`Abandoned::unbroken`].
pub(super) struct Unbroken<'a, T: Send + 'static> {
    /// `None` once it is done.
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    begun: bool,
    given_up: GivenUp,
    abandoned: &'a Abandoned,
}

impl<T: Send + 'static> Future for Unbroken<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.begun = true;
        let Some(work) = &mut self.work else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            self.work = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Unbroken<'_, T> {
    fn drop(&mut self) {
        self.given_up.0.store(true, Ordering::Release);
        if let Some(work) = self.work.take().filter(|_| self.begun) {
            self.abandoned.take(Box::pin(async { drop(work.await) }));
        }
    }
}
use crate::common::lock::lock;
