use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::ResponseBody;
use super::choice::VersionChoice;
use super::future::ResponseFuture;
use super::overriding::OverrideRefusal;
use super::rejection::Rejection;
use super::rewrite::{HostPolicy, rewrite};
use super::rules::Rules;
use super::target::Source;
use crate::common::accessors::define_inner_service_accessors;
use crate::common::sharded::{Shard, Sharded};
use crate::handle::{Choice, NextDraw, NoChoice, Upstream};
use crate::routing::{Reason, Route};
use crate::traffic::{Flight, Verdict};

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
    /// `None` where each request is drawn, which is the quickest.
    pub(super) rules: Option<Box<Rules>>,
    pub(super) host: HostPolicy,
    pub(super) fallback: Option<Arc<Sharded<Upstream>>>,
    pub(super) tell: bool,
    /// Whether it is noted how long requests take.
    pub(super) timed: bool,
    /// Whether the choice is written into the host's span.
    pub(super) traced: bool,
}

/// What goes along with a forwarded request.
#[derive(Debug, Default)]
pub(super) struct Companion {
    pub(super) flight: Option<Flight>,
    /// Boxed, so that those who do not ask for it do not carry its size.
    pub(super) extras: Option<Box<Extras>>,
}

/// What a response is given beside its body.
#[derive(Debug, Default)]
pub(super) struct Extras {
    pub(super) choice: Option<VersionChoice>,
    /// A cookie to be set.
    pub(super) pin: Option<HeaderValue>,
    pub(super) refused: Option<OverrideRefusal>,
}

impl<S> WeightedVersion<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }

    define_inner_service_accessors!();
}

impl<S, B, R> Service<Request<B>> for WeightedVersion<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
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
            Err((rejection, refused)) => ResponseFuture::rejected(rejection, request.headers(), refused),
        }
    }
}

impl Settings {
    /// Points `request` at the version chosen for it, or at the fallback.
    fn direct<B>(&self, request: &mut Request<B>) -> Result<Companion, (Rejection, Option<OverrideRefusal>)> {
        if let Some(rules) = &self.rules {
            return self.direct_by(rules, request);
        }
        let drawn =
            |_: &Request<B>, route: &Route, next: NextDraw<'_>| (route.index_at(next.point()), Reason::Draw);
        let directed =
            self.source.choose(request, drawn, |request, choice, cut| self.forward(request, choice, cut));
        directed.map_err(|rejection| (rejection, None))
    }

    #[inline(never)]
    fn direct_by<B>(
        &self,
        rules: &Rules,
        request: &mut Request<B>,
    ) -> Result<Companion, (Rejection, Option<OverrideRefusal>)> {
        let (asked, mut refused, mut pin) = (rules.take(request), None, None);
        let pick = |request: &Request<B>, route: &Route, next: NextDraw<'_>| {
            rules.pick(request, asked, route, next, &mut refused)
        };
        let directed = self.source.choose(request, pick, |request, choice, cut| {
            pin = choice.as_ref().ok().and_then(|choice| rules.pin(choice));
            self.forward(request, choice, cut)
        });
        let mut companion = directed.map_err(|rejection| (rejection, refused))?;
        if pin.is_some() || refused.is_some() {
            let extras = companion.extras.get_or_insert_default();
            (extras.pin, extras.refused) = (pin, refused);
        }
        Ok(companion)
    }

    #[inline]
    fn forward<B>(
        &self,
        request: &mut Request<B>,
        choice: Result<Choice<'_>, NoChoice>,
        cut: usize,
    ) -> Result<Companion, Rejection> {
        match choice {
            Ok(mut choice) => {
                rewrite(request, choice.upstream, cut, self.host).inspect_err(|_| choice.flight.refused())?;
                if let Some(verdict) = request.extensions().get::<Verdict>() {
                    choice.flight.judged_by(verdict.clone());
                }
                let extras = self.tell.then(|| Self::tell(request, &choice));
                if self.traced {
                    trace(&choice);
                }
                if self.timed {
                    choice.flight.time();
                }
                Ok(Companion { flight: Some(choice.flight), extras })
            }
            Err(none) => {
                let fallback = self.fallback.as_ref().ok_or(none)?;
                rewrite(request, fallback.at(Shard::current()), 0, self.host)?;
                Ok(Companion::default())
            }
        }
    }

    #[cold]
    fn tell<B>(request: &mut Request<B>, choice: &Choice<'_>) -> Box<Extras> {
        let choice = VersionChoice::of(choice);
        request.extensions_mut().insert(choice.clone());
        Box::new(Extras { choice: Some(choice), ..Extras::default() })
    }
}

#[cold]
fn trace(choice: &Choice<'_>) {
    let (span, version) = (tracing::Span::current(), &choice.split.versions()[choice.version].name);
    span.record("canary.service", choice.split.service().as_str());
    span.record("canary.version", version.as_str());
    span.record("canary.reason", choice.reason.as_str());
}
