//! The instances that a request was sent to, so that a failover chooses another one.

use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::balance::pick_by_weight;
use crate::common::lock::lock;
use crate::handle::{Choice, Pick, RouteSnapshot};
use crate::routing::{Backend, Reason, Version, VersionId};

/// How often a request may be sent to another instance of the same version.
const MAX_OTHER_INSTANCES: usize = 2;

/// Where a request may be sent after its instance could not be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FailoverScope {
    /// To other instances of its version.
    Instances,
    /// To other instances of its version, then to other versions.
    Versions,
}

/// The instances that a request was sent to, shared by all attempts through its extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct TriedInstances {
    attempts: Arc<Mutex<Attempts>>,
}

/// The attempts of one request so far.
#[derive(Debug, Default)]
struct Attempts {
    /// Each instance with its version, in the order of the attempts.
    instances: Vec<(VersionId, Backend)>,
    /// How many attempts stayed with the version of the attempt before.
    within_version: usize,
    /// Whether a pin sent the request to the version of the last attempt. Then it stays there at weight 0 too.
    is_pinned: bool,
    /// Whether the last attempt could not connect, so that the next one needs another instance.
    failed: bool,
    /// Whether there was another instance or version when the last one was chosen.
    has_more: bool,
}

impl TriedInstances {
    /// Records that the last attempt could not connect. Returns whether another attempt should be made: when the last
    /// instance was chosen, there was another instance or version to try.
    #[cfg(feature = "failover")]
    pub(super) fn record_failure(&self) -> bool {
        let mut attempts = self.attempts();
        attempts.failed = true;
        attempts.has_more
    }

    /// Records the instance that the request is sent to, and whether there is another one within `scope`.
    pub(super) fn record(&self, snapshot: &RouteSnapshot<'_>, choice: &Choice<'_>, scope: FailoverScope) {
        let mut attempts = self.attempts();
        if scope == FailoverScope::Instances && choice.version().instances.len() == NonZero::<usize>::MIN {
            // There is no other attempt to record this one for.
            attempts.has_more = false;
            return;
        }
        let id = choice.version().id;
        let is_same_version = attempts.instances.last().is_some_and(|(last, _)| *last == id);
        attempts.within_version += usize::from(is_same_version);
        attempts.is_pinned = choice.reason == Reason::Pin || (is_same_version && attempts.is_pinned);
        attempts.instances.push((id, choice.backend().clone()));
        attempts.has_more = attempts.another_instance(snapshot, choice.version).is_some()
            || (scope == FailoverScope::Versions && attempts.has_untried_version(snapshot));
    }

    /// Picks another instance of the version that was tried last, else another version by the weights of the untried
    /// ones. `None` if no attempt has failed, or neither remains within `scope`: then the rules pick as for a first
    /// attempt.
    ///
    /// The split and the health may have changed since the last attempt, so neither may remain although `has_more` is
    /// set.
    pub(super) fn next_pick(&self, snapshot: &RouteSnapshot<'_>, scope: FailoverScope) -> Option<Pick> {
        let attempts = self.attempts();
        if !attempts.failed {
            return None;
        }
        let last = attempts.last_version(snapshot);
        if let Some(version) = last
            && let Some(tried) = attempts.another_instance(snapshot, version)
        {
            return Some(Pick::new(Some(version), Reason::Failover).avoiding(tried));
        }
        if scope == FailoverScope::Instances || !attempts.has_untried_version(snapshot) {
            return None;
        }
        let version = pick_by_weight(attempts.remaining_weights(snapshot), snapshot.failover_point());
        Some(Pick::new(version, Reason::Failover))
    }

    /// Returns the instances of `version` to which earlier attempts could not connect, as bits. 0 if the request may
    /// not be sent to another one.
    pub(super) fn instances_to_avoid(&self, snapshot: &RouteSnapshot<'_>, version: usize) -> u64 {
        let attempts = self.attempts();
        if attempts.failed { attempts.another_instance(snapshot, version).unwrap_or(0) } else { 0 }
    }

    /// Locks the attempts.
    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        lock(&self.attempts)
    }
}

impl Attempts {
    /// Returns the position of the version that was tried last, if the request may still be sent there.
    ///
    /// At weight 0 only a pin may send it there. Otherwise the version may be reported as drained between two attempts.
    fn last_version(&self, snapshot: &RouteSnapshot<'_>) -> Option<usize> {
        let (id, _) = self.instances.last()?;
        snapshot.split().versions().iter().position(|version| {
            version.id == *id && version.active && (self.is_pinned || !version.weight.is_zero())
        })
    }

    /// Returns the tried instances of `version`, as bits, if the request may be sent to another one that is usable.
    fn another_instance(&self, snapshot: &RouteSnapshot<'_>, version: usize) -> Option<u64> {
        let tried = self.tried_of(snapshot.split().versions().get(version)?);
        (self.within_version < MAX_OTHER_INSTANCES && snapshot.usable(version) & !tried != 0).then_some(tried)
    }

    /// Returns the instances of a version that were tried, as bits by their positions now.
    fn tried_of(&self, version: &Version) -> u64 {
        let own = self.instances.iter().filter(|(id, _)| *id == version.id);
        let positions = own.filter_map(|(_, backend)| version.instances.position(backend));
        positions.fold(0, |bits, position| bits | 1 << position)
    }

    /// Returns whether a version with a weight and a usable instance was not tried yet.
    fn has_untried_version(&self, snapshot: &RouteSnapshot<'_>) -> bool {
        self.remaining_weights(snapshot).any(|weight| weight > 0)
    }

    /// Returns the weights of the versions in hundredths of a percent: 0 for those that were tried or are not usable.
    fn remaining_weights<'a>(
        &'a self,
        snapshot: &'a RouteSnapshot<'_>,
    ) -> impl Iterator<Item = u32> + Clone + 'a {
        snapshot.split().versions().iter().enumerate().map(|(position, version)| {
            let is_tried = self.instances.iter().any(|(id, _)| *id == version.id);
            let is_candidate = !is_tried && snapshot.usable(position) != 0;
            if is_candidate { u32::from(version.weight.hundredths()) } else { 0 }
        })
    }
}
