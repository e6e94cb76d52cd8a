//! The rules that choose the version of a request: an override, else a pin, else the key, else the draw.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request};

use super::affinity::Affinity;
use super::head::RequestHead;
use super::overriding::{Override, OverrideRefusal, OverrideRequest};
use super::tried::Tried;
use crate::handle::{Choice, Pick, RouteSnapshot};
use crate::routing::{Reason, Split, Version};

/// The rules of a layer. Without any of them, each request is drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) overriding: Option<Override>,
    pub(super) pinning: Option<Arc<dyn Pinning>>,
    pub(super) affinity: Option<Affinity>,
    /// Whether a request is sent to another version after its version could not be connected to.
    pub(super) failover: bool,
}

/// Keeps each user with one version by a value that the layer set in an earlier response.
pub(super) trait Pinning: fmt::Debug + Send + Sync {
    /// Returns the position of the version that the user is pinned to, if the pin is valid and the version active.
    fn pinned(&self, headers: &HeaderMap, split: &Split) -> Option<usize>;

    /// Returns the cookie that pins a user to `version`.
    fn cookie(&self, split: &Split, version: &Version) -> Option<HeaderValue>;
}

impl Rules {
    /// Removes the override from `request`, so that no backend sees it, and returns what it asks for.
    pub(super) fn take_override<B>(&self, request: &mut Request<B>) -> Option<OverrideRequest> {
        self.overriding.as_ref()?.take(request)
    }

    /// Picks the version of a request with the override `requested`, if any. `refused` becomes the reason why the override
    /// is refused.
    // Not inlined: the path of a layer without rules stays short.
    #[inline(never)]
    pub(super) fn pick<B>(
        &self,
        request: &Request<B>,
        requested: Option<OverrideRequest>,
        snapshot: &RouteSnapshot<'_>,
        refused: &mut Option<OverrideRefusal>,
    ) -> Pick {
        match requested.map(|requested| requested.version(snapshot.split())) {
            // An override never fails over, so the next attempt need not know of it.
            Some(Ok(version)) => return Pick { version: Some(version), reason: Reason::Override },
            Some(Err(reason)) => *refused = Some(reason),
            None => {}
        }
        let Some(tried) = self.tried(request) else { return self.first_pick(request, snapshot) };
        if tried.needs_another(snapshot.split()) {
            let version = tried.choose_another(snapshot.split(), snapshot.failover_point());
            return Pick { version, reason: Reason::Failover };
        }
        let pick = self.first_pick(request, snapshot);
        if let Some(version) = pick.version {
            tried.record(snapshot.split(), version);
        }
        pick
    }

    /// Returns the earlier attempts of the request, if the layer fails over.
    fn tried<'a, B>(&self, request: &'a Request<B>) -> Option<&'a Tried> {
        if self.failover { request.extensions().get() } else { None }
    }

    /// Picks the version of a first attempt: by pin, by key, or by the draw.
    fn first_pick<B>(&self, request: &Request<B>, snapshot: &RouteSnapshot<'_>) -> Pick {
        let sticky = self.by_pin(request, snapshot).or_else(|| self.by_key(request, snapshot));
        sticky.unwrap_or_else(|| snapshot.draw())
    }

    fn by_pin<B>(&self, request: &Request<B>, snapshot: &RouteSnapshot<'_>) -> Option<Pick> {
        let version = self.pinning.as_ref()?.pinned(request.headers(), snapshot.split())?;
        Some(Pick { version: Some(version), reason: Reason::Pin })
    }

    fn by_key<B>(&self, request: &Request<B>, snapshot: &RouteSnapshot<'_>) -> Option<Pick> {
        let slot = self.affinity.as_ref()?.slot(&RequestHead::new(request), snapshot.split().salt())?;
        Some(snapshot.by_slot(slot))
    }

    /// Returns the cookie that pins the user to the version that was drawn.
    #[inline(never)]
    pub(super) fn pin_cookie(&self, choice: &Choice<'_>) -> Option<HeaderValue> {
        let pinning = self.pinning.as_ref().filter(|_| choice.reason == Reason::Draw)?;
        let version = choice.split.versions().get(choice.version)?;
        pinning.cookie(choice.split, version)
    }
}
