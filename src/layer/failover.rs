//! Another version, where one cannot be connected to.
//!
//! Off by default, so that a broken canary shows. Switched on, a request whose version cannot be connected to is sent to
//! another one, by the weights of those that are left, until each was tried once. What could be connected to is never
//! asked again: whatever the method, nothing is sent twice. It needs [`tower::retry`] outside of the layer, and a
//! client that tells what kind its errors are of:
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
//! // A client that cannot connect to v1.1. With hyper-util it is `|error| error.is_connect()`.
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
//! Requests that fail over count as [`Reason::Failover`](crate::routing::Reason), apart from the others. A user whose pin
//! or key is for the version that failed keeps both, and goes back to it. Who was given the version that they asked for by
//! an [`Override`](super::Override) gets its error: another version would answer a question that nobody asked.

use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::Request;
use http_body::{Body, Frame, SizeHint};
use tower::retry::Policy;

use super::layer::WeightedVersionLayer;
use super::tried::Tried;
use crate::common::lock::lock;

/// When [`tower::retry::Retry`] is to send a request elsewhere: where `is_connect_error` says so of its error, and there
/// is another version. See the [module](self) for an example.
#[derive(Clone)]
pub struct Failover<F> {
    is_connect_error: F,
}

impl<F> Failover<F> {
    /// `is_connect_error` says of an error whether it means that not a byte was sent.
    pub const fn new(is_connect_error: F) -> Self {
        Self { is_connect_error }
    }
}

impl<F> fmt::Debug for Failover<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failover").finish_non_exhaustive()
    }
}

/// Makes a request one that can be sent elsewhere: to be called outside of the retry.
pub fn prepare<B>(request: Request<B>) -> Request<ReplayableBody<B>> {
    let mut request = request.map(ReplayableBody::new);
    request.extensions_mut().insert(Tried::default());
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
        let again = (self.is_connect_error)(error) && request.body().is_unsent();
        (again && request.extensions().get::<Tried>()?.fail()).then(|| ready(()))
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

impl WeightedVersionLayer {
    /// Sends a request elsewhere whose version could not be connected to, as [`Failover`] says.
    pub fn with_failover(self) -> Self {
        self.rule(|rules| rules.failover = true)
    }
}

/// A body that can be sent again for as long as nothing of it was: its clones are one body, for the first that asks.
pub struct ReplayableBody<B> {
    shared: Arc<Mutex<Option<Pin<Box<B>>>>>,
    taken: Option<Pin<Box<B>>>,
}

impl<B> ReplayableBody<B> {
    fn new(body: B) -> Self {
        Self { shared: Arc::new(Mutex::new(Some(Box::pin(body)))), taken: None }
    }

    fn is_unsent(&self) -> bool {
        lock(&self.shared).is_some()
    }

    /// What `look` sees in the body, or `none` where another clone has it.
    fn look<T>(&self, none: T, look: impl FnOnce(&B) -> T) -> T {
        match &self.taken {
            Some(body) => look(body),
            None => {
                let shared = lock(&self.shared);
                shared.as_ref().map_or(none, |body| look(body))
            }
        }
    }
}

impl<B> Clone for ReplayableBody<B> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), taken: None }
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
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        if self.taken.is_none() {
            let taken = lock(&self.shared).take();
            self.taken = taken;
        }
        match &mut self.taken {
            Some(body) => body.as_mut().poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.look(true, Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.look(SizeHint::with_exact(0), Body::size_hint)
    }
}
