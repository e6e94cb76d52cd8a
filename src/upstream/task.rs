//! The futures that the executor of the application runs.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The future of one connection: it reads, writes, and closes the connection when it is not needed any more.
///
/// The executor that you give to [`Client::new`](super::Client::new) runs it. It ends by itself
/// after the last clone of the client was dropped and the last response body of the connection has
/// ended. Dropping it closes the connection, and requests on it fail.
///
/// An executor that counts the connections:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use http_body_util::Empty;
/// use hyper::rt::Executor;
/// use tower_canary::probe::UrlPolicy;
/// use tower_canary::upstream::{Client, Task};
///
/// #[derive(Clone, Default)]
/// struct Counting(Arc<AtomicUsize>);
///
/// impl Executor<Task> for Counting {
///     fn execute(&self, task: Task) {
///         let open = Arc::clone(&self.0);
///         open.fetch_add(1, Ordering::Relaxed);
///         tokio::spawn(async move {
///             task.await;
///             open.fetch_sub(1, Ordering::Relaxed);
///         });
///     }
/// }
///
/// let client: Client<Empty<bytes::Bytes>> = Client::new(UrlPolicy::new(), Counting::default());
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Task(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Task {
    pub(super) fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}
