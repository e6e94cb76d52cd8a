use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::body::ResponseBody;
use super::choice::VersionChoice;
use super::future::ResponseFuture;
use super::rejection::Rejection;
use super::rewrite::{Destination, HostPolicy};
use super::target::{RequestHead, Source};
use crate::handle::{NoChoice, Upstream};
use crate::sharded::{Shard, Sharded};
use crate::traffic::InFlightGuard;

/// The service that [`WeightedVersionLayer`](super::WeightedVersionLayer) makes. See the [module docs](super).
///
/// It is ready when the client is, and calls the very client that was ready.
#[derive(Clone, Debug)]
pub struct WeightedVersion<S> {
    inner: S,
    settings: Arc<Settings>,
}

/// All that clones of a service share, behind one pointer: a clone per request touches one count.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) source: Source,
    pub(super) host: HostPolicy,
    pub(super) fallback: Option<Arc<Sharded<Upstream>>>,
    pub(super) tell: bool,
}

/// What goes along with a forwarded request.
#[derive(Debug, Default)]
pub(super) struct Companion {
    pub(super) in_flight: Option<InFlightGuard>,
    pub(super) choice: Option<VersionChoice>,
}

impl<S> WeightedVersion<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }

    /// The client.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The client, to be changed.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The client, without the layer.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, R> Service<Request<B>> for WeightedVersion<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.settings.direct(&mut request) {
            Ok(companion) => ResponseFuture::forwarded(self.inner.call(request), companion),
            Err(rejection) => ResponseFuture::rejected(rejection, request.headers()),
        }
    }
}

impl Settings {
    /// Points `request` at the version chosen for it, or at the fallback.
    fn direct<B>(&self, request: &mut Request<B>) -> Result<Companion, Rejection> {
        let head = RequestHead::of(request);
        let chosen = self.source.choose(&head, |choice, cut| {
            let choice = choice?;
            let destination = Destination::new(&head, choice.upstream, cut, self.host);
            let told = self.tell.then(|| VersionChoice::of(&choice));
            Ok((destination, Companion { in_flight: Some(choice.in_flight), choice: told }))
        });
        let (destination, companion) = chosen.or_else(|none| self.fall_back(&head, none))?;
        destination?.apply(request)?;
        if let Some(choice) = &companion.choice {
            request.extensions_mut().insert(choice.clone());
        }
        Ok(companion)
    }

    fn fall_back(&self, head: &RequestHead<'_>, none: NoChoice) -> Result<Directed, Rejection> {
        let Some(fallback) = &self.fallback else { return Err(none.into()) };
        let upstream = fallback.at(Shard::current());
        Ok((Destination::new(head, upstream, 0, self.host), Companion::default()))
    }
}

type Directed = (Result<Destination, Rejection>, Companion);
