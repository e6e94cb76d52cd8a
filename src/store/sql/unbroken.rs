//! Work on a connection, which goes on to its end when nobody waits for it any longer.
//!
//! A driver whose work is dropped halfway gives the connection back to the pool as it is: on PostgreSQL and MySQL, between
//! `BEGIN` and its answer, in a transaction that the driver knows nothing of; on MySQL also in the middle of an answer,
//! which the next statement takes for its own. Whoever gets that connection, the host too, would wait for ever or write
//! what is never committed. So the work is not dropped, but told that it was [given up](GivenUp).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Tells work whether anybody still waits for it.
#[derive(Clone, Debug, Default)]
pub(super) struct GivenUp(Arc<AtomicBool>);

impl GivenUp {
    pub(super) fn is_true(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Does `work`, to its end once it was begun.
pub(super) fn unbroken<F>(work: impl FnOnce(GivenUp) -> F) -> Unbroken<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let given_up = GivenUp::default();
    Unbroken { work: Some(Box::pin(work(given_up.clone()))), begun: false, given_up }
}

/// The future of [`unbroken`].
pub(super) struct Unbroken<T: Send + 'static> {
    /// `None` once it is done.
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    begun: bool,
    given_up: GivenUp,
}

impl<T: Send + 'static> Future for Unbroken<T> {
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

impl<T: Send + 'static> Drop for Unbroken<T> {
    fn drop(&mut self) {
        self.given_up.0.store(true, Ordering::Release);
        let work = self.work.take().filter(|_| self.begun);
        // Where the runtime ends, its connections end with it.
        if let (Some(work), Ok(runtime)) = (work, Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}
