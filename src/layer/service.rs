use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response};
use tower_service::Service;

use super::body::ResponseBody;
use super::choice::VersionChoice;
use super::future::ResponseFuture;
use super::overriding::Refused;
use super::rejection::Rejection;
use super::rewrite::{HostPolicy, rewrite};
use super::rules::Rules;
use super::target::Source;
use crate::handle::{Choice, NextDraw, Upstream};
use crate::routing::Route;
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
    pub(super) rules: Rules,
    pub(super) host: HostPolicy,
    pub(super) fallback: Option<Arc<Sharded<Upstream>>>,
    pub(super) tell: bool,
}

/// What goes along with a forwarded request.
#[derive(Debug, Default)]
pub(super) struct Companion {
    pub(super) in_flight: Option<InFlightGuard>,
    /// Boxed, so that those who do not ask for it do not carry its size.
    pub(super) choice: Option<Box<VersionChoice>>,
    /// A cookie to be set.
    pub(super) pin: Option<Box<HeaderValue>>,
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
        let mut refused = None;
        match self.settings.direct(&mut request, &mut refused) {
            Ok(companion) => ResponseFuture::forwarded(self.inner.call(request), companion, refused),
            Err(rejection) => ResponseFuture::rejected(rejection, request.headers(), refused),
        }
    }
}

impl Settings {
    /// Points `request` at the version chosen for it, or at the fallback. Notes in `refused` why not at the version that
    /// it asked for.
    fn direct<B>(
        &self,
        request: &mut Request<B>,
        refused: &mut Option<Refused>,
    ) -> Result<Companion, Rejection> {
        let asked = self.rules.take(request);
        let pick = |request: &Request<B>, route: &Route, next: NextDraw<'_>| {
            self.rules.pick(request, asked, route, next, refused)
        };
        self.source.choose(request, pick, |request, choice, cut| match choice {
            Ok(choice) => {
                rewrite(request, choice.upstream, cut, self.host)?;
                let told = self.tell.then(|| Self::tell(request, &choice));
                let pin = self.rules.pin(&choice);
                Ok(Companion { in_flight: Some(choice.in_flight), choice: told, pin })
            }
            Err(none) => {
                let fallback = self.fallback.as_ref().ok_or(none)?;
                rewrite(request, fallback.at(Shard::current()), 0, self.host)?;
                Ok(Companion::default())
            }
        })
    }

    #[cold]
    fn tell<B>(request: &mut Request<B>, choice: &Choice<'_>) -> Box<VersionChoice> {
        let choice = Box::new(VersionChoice::of(choice));
        request.extensions_mut().insert(VersionChoice::clone(&choice));
        choice
    }
}
