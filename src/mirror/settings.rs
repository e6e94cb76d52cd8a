//! The settings of a mirror.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use hyper::rt::Executor;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::copy::RequestCopy;

/// The default number of copies in flight. Beyond it, requests are counted as `busy` and not copied.
const MAX_IN_FLIGHT: usize = 64;
/// The default size of the largest body that is copied.
const MAX_BODY: usize = 64 * 1024;
/// The default time for one copy.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Copies requests to the version that the split names. See the [module](super) for an example.
///
/// Clones share the limit on the copies in flight: give a clone to each layer of a gateway.
#[derive(Clone)]
#[must_use]
pub struct Mirror {
    executor: Arc<dyn Executor<RequestCopy> + Send + Sync>,
    /// A permit for each copy at a time.
    slots: Arc<Semaphore>,
    /// In bytes.
    pub(super) max_body: usize,
    pub(super) timeout: Duration,
    methods: Arc<[Method]>,
}

impl Mirror {
    /// Creates a mirror whose copies are run by `executor`, such as hyper-util's `TokioExecutor`, which spawns them.
    ///
    /// The executor runs each [`RequestCopy`] to its end, or drops it to cancel it. It needs the timer of tokio.
    pub fn new(executor: impl Executor<RequestCopy> + Send + Sync + 'static) -> Self {
        Self {
            executor: Arc::new(executor),
            slots: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            max_body: MAX_BODY,
            timeout: TIMEOUT,
            methods: [Method::GET, Method::HEAD].into(),
        }
    }

    /// Sets the maximum number of copies at a time, those that wait for the end of a body included. Requests beyond it
    /// are not copied, and 0 copies none. Default: 64.
    ///
    /// Clones that were made before keep their own limit.
    ///
    /// ```
    /// use hyper_util::rt::TokioExecutor;
    /// use tower_canary::mirror::Mirror;
    ///
    /// let mirror = Mirror::new(TokioExecutor::new()).with_max_in_flight(16).with_max_body(8 * 1024);
    /// ```
    pub fn with_max_in_flight(self, max: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))), ..self }
    }

    /// Sets the maximum size in bytes of the body of a request that is copied. Default: 64 KiB. See
    /// [`with_max_in_flight`](Self::with_max_in_flight) for an example.
    pub fn with_max_body(self, max: usize) -> Self {
        Self { max_body: max, ..self }
    }

    /// Sets the maximum time of a copy, from its first poll by the executor to the end of the response. Default: 60
    /// seconds.
    ///
    /// A copy without a response head by then counts as [`Abandoned`](crate::traffic::Outcome::Abandoned), which is a
    /// failure of the version. So the time should not be shorter than the one of the requests. A copy whose response
    /// has not ended by then counts as [`Cancelled`](crate::traffic::Outcome::Cancelled).
    ///
    /// ```
    /// use std::time::Duration;
    /// use hyper_util::rt::TokioExecutor;
    /// use tower_canary::mirror::Mirror;
    ///
    /// let mirror = Mirror::new(TokioExecutor::new()).with_timeout(Duration::from_secs(10));
    /// ```
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the methods of the requests that are copied. Default: `GET` and `HEAD`.
    ///
    /// With others, the version does everything a second time. Copy them only to a version with data of its own.
    ///
    /// ```
    /// use http::Method;
    /// use hyper_util::rt::TokioExecutor;
    /// use tower_canary::mirror::Mirror;
    ///
    /// let mirror = Mirror::new(TokioExecutor::new()).with_methods([Method::GET, Method::POST]);
    /// ```
    pub fn with_methods(self, methods: impl IntoIterator<Item = Method>) -> Self {
        Self { methods: methods.into_iter().collect(), ..self }
    }

    /// Returns whether requests of this method are copied. A tunnel has no body that could be.
    pub(super) fn copies(&self, method: &Method) -> bool {
        self.methods.contains(method) && method != Method::CONNECT
    }

    /// Takes the permit of a copy, or returns `None` if there are as many copies as allowed.
    pub(super) fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).try_acquire_owned().ok()
    }

    /// Sends a copy on the executor of the application.
    pub(super) fn execute(&self, copy: RequestCopy) {
        self.executor.execute(copy);
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror")
            .field("available", &self.slots.available_permits())
            .field("max_body", &self.max_body)
            .field("timeout", &self.timeout)
            .field("methods", &self.methods)
            .finish_non_exhaustive()
    }
}
