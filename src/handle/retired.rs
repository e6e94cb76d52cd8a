//! Routes that are no longer published, and their versions, while requests use them.

use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Weak};

use super::live::{LiveRoute, LiveVersion, is_same_registration};
use crate::routing::{Backend, Split, Version, VersionName, Weight};
use crate::traffic::Counters;

/// How many drained versions a published service remembers after their removal, so that metrics read their last counts.
const REMEMBERED: usize = 8;

/// The retired routes of one service, and the versions that retired with them.
///
/// # Why no request is missed
///
/// A request loads the live route, chooses a version, counts itself at the version's counters, and only then drops its
/// guard of the route. Two sums cover every request that was sent to a retired route: [`readers`](Self::readers), which
/// counts the guards, and the counters in flight, which are read *after* it. A request may be in both for a moment, never
/// in neither:
///
/// 1. `ArcSwap::swap` pays the debt of every guard of the old route before it returns (`wait_for_readers`), so from then
///    on each guard is a strong reference. A guard that was dropped earlier returned its debt by a `SeqCst` write to its
///    slot, which the walk over the slots reads: that request is in the counters.
/// 2. Nothing else holds a strong reference. Routes retire under the lock that guards this value. Observers hold the live
///    route under that lock only, and the caller of `retire` drops its own reference under it. The test
///    `only_readers_hold_a_retired_route` checks it.
/// 3. A request clones the counters' `Arc` (`Relaxed`) before it drops its guard (`Release`, in `Arc::drop`). The
///    `fence(Acquire)` in [`readers`](Self::readers) pairs with that drop. So a request whose guard is gone from the first
///    sum is in the second.
///
/// The counters outlive the route because this value, and each request in flight, hold them.
///
/// An instance that was removed from a published version is counted by the counters of the version, until its last
/// request has ended and no route has it: see `InstanceCounters::has_ended`. The readers are added to its requests for
/// the same reason.
#[derive(Debug, Default)]
pub(super) struct RetiredRoutes {
    /// Routes that had readers when they retired.
    routes: Vec<Weak<LiveRoute>>,
    /// Versions that are in no published route: those with requests, and the last ones that drained. Of a withdrawn route
    /// all are here, so that the service can return with its counters.
    versions: Vec<RetiredVersion>,
    /// Whether the service was removed, so that its versions do not return.
    removed: bool,
}

/// A version of an earlier route that the published route does not have.
#[derive(Debug)]
pub(super) struct RetiredVersion {
    /// The version, inactive and at weight 0 regardless of its former state.
    pub(super) version: Version,
    pub(super) live: LiveVersion,
}

impl RetiredVersion {
    /// Returns the counters that requests of the retired version still use.
    pub(super) const fn counters(&self) -> &Arc<Counters> {
        self.live.counters()
    }
}

impl RetiredRoutes {
    /// Retires the route `before`: takes over its versions that the route of `next` does not continue. `next` is `None`
    /// if the route was withdrawn: then it takes over all of them.
    ///
    /// To be called after `before` was swapped out. The caller drops `before` before it releases the lock.
    pub(super) fn retire(&mut self, before: &Arc<LiveRoute>, next: Option<&Split>) {
        self.routes.retain(|route| route.strong_count() > 0);
        // The first reference is the caller's.
        let has_readers = Arc::strong_count(before) > 1;
        // Pairs with the Release in `Arc::drop` of the last reader: what it counted and what it initialized is visible below.
        fence(Ordering::Acquire);
        // Also when the route is withdrawn: its own versions are added below, so that all of them may return.
        if self.routes.is_empty() {
            self.forget_drained();
        }
        if has_readers {
            self.routes.push(Arc::downgrade(before));
            // A reader that has not chosen yet would create the counters after this function looked for them.
            before.versions();
        }
        for (version, live) in before.route().split().versions().iter().zip(before.used_versions()) {
            if !next.is_some_and(|next| has_registration(next, version)) {
                let version = Version { weight: Weight::ZERO, active: false, ..version.clone() };
                self.versions.push(RetiredVersion { version, live: live.clone() });
            }
        }
    }

    /// Forgets all drained versions except the last ones.
    ///
    /// Not to be called while a retired route has readers: one of them may still choose a version that seems drained.
    fn forget_drained(&mut self) {
        let drained = self.versions.iter().filter(|version| version.counters().in_flight() == 0).count();
        let mut surplus = drained.saturating_sub(REMEMBERED);
        self.versions.retain(|version| {
            let forget = surplus > 0 && version.counters().in_flight() == 0;
            surplus -= usize::from(forget);
            !forget
        });
    }

    /// Records whether the service was removed. If so, no version returns, and those without requests are forgotten.
    pub(super) fn set_removed(&mut self, removed: bool) {
        self.removed = removed;
        self.forget_removed();
    }

    /// Forgets the versions of a removed service that have no requests in flight. Of other services, it forgets none.
    pub(super) fn forget_removed(&mut self) {
        // A reader of a retired route may still choose a version that seems drained.
        if self.removed && self.readers() == 0 {
            self.versions.retain(|retired| retired.counters().in_flight() > 0);
        }
    }

    /// Takes out the retired version that is the same registration as `version`, for a route that publishes it again.
    pub(super) fn take(&mut self, version: &Version) -> Option<LiveVersion> {
        let at = self.versions.iter().position(|retired| is_same_registration(&retired.version, version))?;
        Some(self.versions.remove(at).live)
    }

    /// Returns how many requests read a retired route and may not be counted at a version yet.
    ///
    /// The counters must be read after this: see [`RetiredRoutes`].
    pub(super) fn readers(&self) -> usize {
        let readers = self.routes.iter().map(Weak::strong_count).sum();
        // Pairs with the Release in `Arc::drop` of a reader's guard.
        fence(Ordering::Acquire);
        readers
    }

    /// Returns how many requests the retired versions called `name` have in flight, or `None` if there is no such version.
    pub(super) fn in_flight(&self, name: &str) -> Option<usize> {
        let named = self.versions.iter().filter(|retired| retired.version.name.as_str() == name);
        named.map(|retired| retired.counters().in_flight()).reduce(|sum, more| sum + more)
    }

    /// Returns how many requests the retired versions called `name` have in flight at `backend`, or `None` if none of them
    /// can have any there.
    pub(super) fn in_flight_at(&self, name: &str, backend: &Backend) -> Option<usize> {
        let named = self.versions.iter().filter(|retired| retired.version.name.as_str() == name);
        let at = named.filter_map(|retired| retired.counters().in_flight_at(backend));
        at.reduce(|sum, more| sum + more)
    }

    /// Returns the versions that have, or may yet get, requests in flight.
    pub(super) fn draining(&self) -> Vec<VersionName> {
        let readers = self.readers();
        let draining = self.versions.iter().filter(|retired| readers + retired.counters().in_flight() > 0);
        draining.map(|retired| retired.version.name.clone()).collect()
    }

    /// Returns the retired versions, those that retired first at the front.
    pub(super) fn versions(&self) -> &[RetiredVersion] {
        &self.versions
    }

    /// Returns the number of strong references to each retired route that has any.
    #[cfg(test)]
    pub(super) fn references(&self) -> Vec<usize> {
        self.routes.iter().map(Weak::strong_count).filter(|count| *count > 0).collect()
    }
}

/// Returns whether the split has this version, and not only one of the same name.
fn has_registration(split: &Split, version: &Version) -> bool {
    split.versions().iter().any(|other| is_same_registration(other, version))
}
