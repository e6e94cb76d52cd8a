//! Failover: sends a request to another instance, or to another version, if its own cannot be
//! connected to.
//!
//! It has two stages. The first is another instance of the same version, at most two of them, which
//! keeps the split exact. The second is another version. It hides a broken canary, so it is a choice
//! of its own. Failover consists of three parts:
//!
//! - [`WeightedVersionLayer::with_instance_failover`] chooses another usable instance of the version
//!   for the next attempt. [`WeightedVersionLayer::with_failover`] does the same, and then chooses
//!   another version, by the weights of the versions that were not tried yet.
//! - [`tower::retry`] outside of the layer makes that attempt, with [`Failover`] as its policy.
//! - [`prepare`] outside of the retry makes the body replayable.
//!
//! Only a failed connect leads to another attempt, and each instance is tried once. So no request is
//! sent twice, whatever its method. Each attempt counts for the instance that it went to, whose
//! failures in a row it adds to. The client's errors must show whether connecting failed:
//! the errors of `upstream`, hyper-util and reqwest have `is_connect`.
//!
//! ```
//! use http::{Request, Response};
//! use tower::retry::RetryLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_canary::layer::failover::{Failover, ReplayableBody, prepare};
//! # use tower_canary::routing::{Change, Reason, Route, Split};
//! # use tower_canary::{Draw, RoutingHandle, Target, WeightedVersionLayer};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # let at = std::time::SystemTime::now();
//! # let split = Split::new("auth".parse()?, 7)
//! #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
//! #     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?
//! #     .apply(&Change::set_weight("v1.1".parse()?, "50".parse()?), at)?;
//! # let handle = RoutingHandle::with_draw(Draw::Seeded(1));
//! # assert!(handle.publish(Route::compile(split)));
//! // A client that cannot connect to v1.1. For the client of `upstream`, the predicate is `upstream::Error::is_connect`.
//! let client = service_fn(|request: Request<ReplayableBody<String>>| async move {
//!     if request.uri().host() == Some("10.0.0.2") { Err("connection refused") } else { Ok(Response::new(String::new())) }
//! });
//! let layer = WeightedVersionLayer::new(&handle, Target::service("auth".parse()?)).with_failover();
//! let mut gateway = ServiceBuilder::new()
//!     .map_request(prepare)
//!     .layer(RetryLayer::new(Failover::new(|error: &&str| *error == "connection refused")))
//!     .layer(layer)
//!     .service(client);
//! for _ in 0..10 {
//!     let request = Request::post("/login").body("body".to_owned())?;
//!     assert!(gateway.ready().await?.call(request).await.is_ok());
//! }
//! assert!(handle.picks("auth", "v1.0", Reason::Failover) > Some(0));
//! # use tower::Service;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - Attempts after a failover count as [`Reason::Failover`](crate::routing::Reason).
//! - A pin or a key stays as it is: the user returns to the version when it can be connected to.
//! - A request whose version was chosen by an [`Override`](super::Override) fails over to instances
//!   of that version only. The tester wants to see that version, and gets its error.
//! - With `Proxy`, this stands between the proxy and the layer. All attempts share its response
//!   timeout.

use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::Request;
use http_body::{Body, Frame, SizeHint};
use tower::retry::Policy;

use super::layer::WeightedVersionLayer;
use super::tried_instances::{FailoverScope, TriedInstances};
use crate::common::lock::lock;

/// A policy for [`tower::retry::Retry`] that retries failed connects, if there is another instance or
/// version.
///
/// See the [module docs](self) for an example.
#[derive(Clone)]
pub struct Failover<F> {
    is_connect_error: F,
}

impl<F> Failover<F> {
    /// Creates a policy. `is_connect_error` returns whether an error means that not a byte was sent.
    ///
    /// See the [module docs](self) for an example.
    pub const fn new(is_connect_error: F) -> Self {
        Self { is_connect_error }
    }
}

impl<F> fmt::Debug for Failover<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failover").finish_non_exhaustive()
    }
}

/// Prepares a request for [`Failover`]. Apply it outside of the retry, by `map_request`.
///
/// See the [module docs](self) for an example.
pub fn prepare<B: Body>(request: Request<B>) -> Request<ReplayableBody<B>> {
    let mut request = request.map(ReplayableBody::new);
    request.extensions_mut().insert(TriedInstances::default());
    request
}

impl<F, B, R, E> Policy<Request<ReplayableBody<B>>, R, E> for Failover<F>
where
    F: Fn(&E) -> bool,
{
    type Future = Ready<()>;

    fn retry(
        &mut self,
        request: &mut Request<ReplayableBody<B>>,
        result: &mut Result<R, E>,
    ) -> Option<Ready<()>> {
        let error = result.as_ref().err()?;
        if !(self.is_connect_error)(error) || !request.body().is_unsent() {
            return None;
        }
        let has_more = request.extensions().get::<TriedInstances>()?.record_failure();
        has_more.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<ReplayableBody<B>>) -> Option<Request<ReplayableBody<B>>> {
        let body = request.body().is_unsent().then(|| request.body().clone())?;
        let mut copy = Request::new(body);
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.version_mut() = request.version();
        *copy.headers_mut() = request.headers().clone();
        *copy.extensions_mut() = request.extensions().clone();
        Some(copy)
    }
}

impl<M> WeightedVersionLayer<M> {
    /// Chooses another instance of the same version for a request whose instance could not be
    /// connected to, at most twice.
    ///
    /// The attempts are made by a retry around the layer: see [`failover`](super::failover) for an
    /// example. Without one, this has no effect. Default: off.
    ///
    /// ```
    /// use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
    ///
    /// let layer = WeightedVersionLayer::new(&RoutingHandle::new(), Target::path_segment()).with_instance_failover();
    /// ```
    pub fn with_instance_failover(self) -> Self {
        self.rule(|rules| rules.failover = rules.failover.max(Some(FailoverScope::Instances)))
    }

    /// Chooses another instance of the same version for a request whose instance could not be
    /// connected to, at most twice, and then another version.
    ///
    /// The attempts are made by a retry around the layer: see [`failover`](super::failover) for an
    /// example. Without one, this has no effect. Default: off.
    pub fn with_failover(self) -> Self {
        self.rule(|rules| rules.failover = Some(FailoverScope::Versions))
    }
}

/// A request body that can be retried until its first byte was read. Clones share one body.
///
/// [`prepare`] creates it. The first clone that is polled takes the body; the others are empty then.
/// It is [`Sync`] if the body is [`Send`].
///
/// See the [module docs](self) for an example.
pub struct ReplayableBody<B> {
    /// The body, until a clone takes it. `None`: it is empty, and every attempt may send it.
    shared: Option<Arc<Slot<B>>>,
    /// The body, once this clone has taken it. The mutex is never contended: it makes the type `Sync`.
    taken: Slot<B>,
}

/// A body, unless it was taken.
type Slot<B> = Mutex<Option<Pin<Box<B>>>>;

impl<B> ReplayableBody<B> {
    /// Creates the body of the first attempt. Its clones are the bodies of later ones.
    pub(crate) fn new(body: B) -> Self
    where
        B: Body,
    {
        let shared = (!body.is_end_stream()).then(|| Arc::new(Mutex::new(Some(Box::pin(body)))));
        Self { shared, taken: Mutex::new(None) }
    }

    /// Calls `change` with the body, unless a clone has taken it.
    #[cfg(feature = "mirror")]
    pub(crate) fn with_unsent(&self, change: impl FnOnce(Pin<&mut B>)) {
        let Some(shared) = &self.shared else { return };
        if let Some(body) = &mut *lock(shared) {
            change(body.as_mut());
        }
    }

    /// Returns whether no clone has taken the body.
    fn is_unsent(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| lock(shared).is_some())
    }

    /// Applies `read` to the body, or returns `default` if it is empty or another clone has taken it.
    fn inspect<T>(&self, default: T, read: impl FnOnce(&B) -> T) -> T {
        let Some(shared) = &self.shared else { return default };
        let taken = lock(&self.taken);
        if let Some(body) = &*taken {
            return read(body);
        }
        let shared = lock(shared);
        shared.as_ref().map_or(default, |body| read(body))
    }
}

impl<B> Clone for ReplayableBody<B> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), taken: Mutex::new(None) }
    }
}

impl<B> fmt::Debug for ReplayableBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayableBody").field("unsent", &self.is_unsent()).finish_non_exhaustive()
    }
}

impl<B: Body> Body for ReplayableBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.get_mut();
        let Some(shared) = &this.shared else { return Poll::Ready(None) };
        let taken = this.taken.get_mut().unwrap_or_else(PoisonError::into_inner);
        if taken.is_none() {
            *taken = lock(shared).take();
        }
        match taken {
            Some(body) => body.as_mut().poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inspect(true, Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inspect(SizeHint::with_exact(0), Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::ReplayableBody;

    #[test]
    fn replayable_body_is_sync() {
        fn assert_sync<T: Sync>() {}
        // A cell is `Send` but not `Sync`, like `axum::body::Body`.
        assert_sync::<ReplayableBody<Cell<()>>>();
    }
}
