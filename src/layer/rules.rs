//! The rules that choose the version of a request: an override, else a pin, else the key, else the draw.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, Request, StatusCode};

use super::affinity::Affinity;
use super::head::RequestHead;
use super::overriding::{Override, OverrideRefusal, OverrideRequest};
use super::tried_instances::{FailoverScope, TriedInstances};
use crate::handle::{Choice, Pick, RouteSnapshot};
use crate::routing::{Reason, Split, Version};

/// The rules of a layer. Without any of them, each request is drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) overriding: Option<Override>,
    pub(super) pinning: Option<Arc<dyn Pinning>>,
    pub(super) affinity: Option<Affinity>,
    /// Where a request is sent after its instance could not be connected to. `None`: nowhere.
    pub(super) failover: Option<FailoverScope>,
}

/// The version that the rules picked for a request.
#[derive(Debug)]
pub(super) struct PickedVersion {
    pub(super) pick: Pick,
    /// Why the request does not get the version that its override names. `None`: it gets it, or has no override.
    pub(super) refused: Option<OverrideRefusal>,
}

/// Keeps each user with one version by a value that the layer set in an earlier response.
pub(super) trait Pinning: fmt::Debug + Send + Sync {
    /// Returns the position of the version that the user is pinned to, if the pin is valid and the version active.
    fn pinned(&self, headers: &HeaderMap, split: &Split) -> Option<usize>;

    /// Removes the pin from the headers of a request, valid or not.
    fn remove(&self, headers: &mut HeaderMap, split: &Split);

    /// Returns a new pin of the user to `version`. `None` if it cannot be written as a header.
    fn pin(&self, head: &RequestHead<'_>, split: &Split, version: &Version) -> Option<Box<dyn NewPin>>;
}

/// A pin on its way to the response.
pub(super) trait NewPin: fmt::Debug + Send + Sync {
    /// Sets the pin in the response with this head.
    fn add_to(self: Box<Self>, status: StatusCode, headers: &mut HeaderMap);
}

impl Rules {
    /// Removes the override from `request`, so that no backend sees it, and returns the version that it asks for.
    /// `None` without an override.
    // Neither this nor the other rules are inlined, and they take copies of the choice, so that it need not be in
    // memory: the path of a layer without rules stays short.
    #[inline(never)]
    pub(super) fn take_override<B>(&self, request: &mut Request<B>) -> Option<OverrideRequest> {
        self.overriding.as_ref()?.take(request)
    }

    /// Picks the version of a request with the override `requested`, if any. Removes the pin from the request, so that no
    /// backend sees it.
    #[inline(never)]
    pub(super) fn pick<B>(
        &self,
        request: &mut Request<B>,
        requested: Option<OverrideRequest>,
        snapshot: RouteSnapshot<'_>,
    ) -> PickedVersion {
        let picked = self.pick_for(request, requested, &snapshot);
        if let Some(pinning) = &self.pinning {
            pinning.remove(request.headers_mut(), snapshot.split());
        }
        picked
    }

    /// Applies the rules in their order: the override, another instance or version after a failed attempt, then the
    /// pin, the key and the draw. The first one that picks a version decides.
    fn pick_for<B>(
        &self,
        request: &Request<B>,
        requested: Option<OverrideRequest>,
        snapshot: &RouteSnapshot<'_>,
    ) -> PickedVersion {
        let tried = self.tried(request);
        let refused = match requested.map(|requested| requested.version(snapshot.split())) {
            Some(Ok(version)) => {
                let avoided = tried.map_or(0, |(tried, _)| tried.instances_to_avoid(snapshot, version));
                let pick = Pick::new(Some(version), Reason::Override).avoiding(avoided);
                return PickedVersion { pick, refused: None };
            }
            Some(Err(reason)) => Some(reason),
            None => None,
        };
        let another = tried.and_then(|(tried, scope)| tried.next_pick(snapshot, scope));
        PickedVersion { pick: another.unwrap_or_else(|| self.first_pick(request, snapshot)), refused }
    }

    /// Returns the earlier attempts of the request, if the layer fails over.
    fn tried<'a, B>(&self, request: &'a Request<B>) -> Option<(&'a TriedInstances, FailoverScope)> {
        Some((request.extensions().get()?, self.failover?))
    }

    /// Records the instance that the request is sent to, for its next attempt. Without failover, it does nothing.
    #[inline(never)]
    pub(super) fn record_attempt<B>(
        &self,
        request: &Request<B>,
        snapshot: RouteSnapshot<'_>,
        choice: Choice<'_>,
    ) {
        if let Some((tried, scope)) = self.tried(request) {
            // A tester wants to see the version that the override names.
            let is_override = choice.reason == Reason::Override;
            tried.record(&snapshot, &choice, if is_override { FailoverScope::Instances } else { scope });
        }
    }

    /// Picks the version of a first attempt: by pin, by key, or by the draw.
    fn first_pick<B>(&self, request: &Request<B>, snapshot: &RouteSnapshot<'_>) -> Pick {
        let sticky = self.by_pin(request, snapshot).or_else(|| self.by_key(request, snapshot));
        sticky.unwrap_or_else(|| snapshot.draw())
    }

    /// Picks the version of a valid pin, if it is active.
    fn by_pin<B>(&self, request: &Request<B>, snapshot: &RouteSnapshot<'_>) -> Option<Pick> {
        let version = self.pinning.as_ref()?.pinned(request.headers(), snapshot.split())?;
        Some(Pick::new(Some(version), Reason::Pin))
    }

    /// Picks the version that holds the slot of the key, if the request has a key.
    fn by_key<B>(&self, request: &Request<B>, snapshot: &RouteSnapshot<'_>) -> Option<Pick> {
        let slot = self.affinity.as_ref()?.slot(&RequestHead::new(request), snapshot.split().salt())?;
        Some(snapshot.by_slot(slot))
    }

    /// Returns a pin of the user to the chosen version, if that was drawn and the layer has pins.
    #[inline(never)]
    pub(super) fn new_pin<B>(&self, request: &Request<B>, choice: Choice<'_>) -> Option<Box<dyn NewPin>> {
        let pinning = self.pinning.as_ref().filter(|_| choice.reason == Reason::Draw)?;
        pinning.pin(&RequestHead::new(request), choice.split, choice.version())
    }
}
