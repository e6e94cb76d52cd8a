//! Which rule chooses the version of a request: an override, else a pin, else its key, else the draw.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request};

use super::affinity::Affinity;
use super::overriding::{Override, OverrideRefusal, OverrideRequest};
use super::target::RequestHead;
use super::tried::Tried;
use crate::handle::{Choice, NextDraw};
use crate::routing::{Reason, Route, Split, Version};

/// The rules that a layer was given. Without any, each request is drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) overriding: Option<Override>,
    pub(super) pinning: Option<Arc<dyn Pinning>>,
    pub(super) affinity: Option<Affinity>,
    /// Whether what earlier attempts of a request came to counts.
    pub(super) failover: bool,
}

/// Keeps users with the version they were given, by what the layer told them.
pub(super) trait Pinning: fmt::Debug + Send + Sync {
    /// The position of the version that the request's user was given, if that still counts.
    fn pinned(&self, headers: &HeaderMap, split: &Split) -> Option<usize>;

    /// The cookie that pins a user to `version`.
    fn cookie(&self, split: &Split, version: &Version) -> Option<HeaderValue>;
}

/// The version that a rule chooses, by its position in the split: none where it is that of no version.
pub(super) type Picked = (Option<usize>, Reason);

impl Rules {
    /// Takes the override out of `request`, which the backend is not to see.
    pub(super) fn take<B>(&self, request: &mut Request<B>) -> Option<OverrideRequest> {
        self.overriding.as_ref()?.take(request)
    }

    /// What the rules make of a request that `asked` for a version. Notes in `refused` why it does not get what it asked
    /// for.
    pub(super) fn pick<B>(
        &self,
        request: &Request<B>,
        asked: Option<OverrideRequest>,
        route: &Route,
        next: NextDraw<'_>,
        refused: &mut Option<OverrideRefusal>,
    ) -> Picked {
        match asked.map(|asked| asked.version(route.split())) {
            // Who asks for a version is not sent to another, so it is not noted for the next attempt.
            Some(Ok(version)) => return (Some(version), Reason::Override),
            Some(Err(why)) => *refused = Some(why),
            None => {}
        }
        let Some(tried) = self.tried(request) else { return self.first(request, route, next) };
        if tried.needs_another(route.split()) {
            return (tried.choose_another(route.split(), next.apart()), Reason::Failover);
        }
        let picked = self.first(request, route, next);
        if let (Some(version), _) = picked {
            tried.record(route.split(), version);
        }
        picked
    }

    /// What is known of earlier attempts, where it is asked for.
    fn tried<'a, B>(&self, request: &'a Request<B>) -> Option<&'a Tried> {
        if self.failover { request.extensions().get() } else { None }
    }

    /// The version that a request is for before anything has failed: its user's, else the next of the draw.
    fn first<B>(&self, request: &Request<B>, route: &Route, next: NextDraw<'_>) -> Picked {
        self.kept(request, route).unwrap_or_else(|| (route.index_at(next.point()), Reason::Draw))
    }

    /// The version that the request's user is kept with; `None` leaves it to the draw.
    fn kept<B>(&self, request: &Request<B>, route: &Route) -> Option<Picked> {
        if let Some(version) =
            self.pinning.as_ref().and_then(|pin| pin.pinned(request.headers(), route.split()))
        {
            return Some((Some(version), Reason::Pin));
        }
        let slot = self.affinity.as_ref()?.slot(&RequestHead::of(request), route.split().salt())?;
        Some((route.index_of_slot(slot), Reason::Key))
    }

    /// The cookie that keeps a user with the version that was drawn.
    pub(super) fn pin(&self, choice: &Choice<'_>) -> Option<HeaderValue> {
        let pinning = self.pinning.as_ref().filter(|_| choice.reason == Reason::Draw)?;
        let version = choice.split.versions().get(choice.version)?;
        pinning.cookie(choice.split, version)
    }
}
