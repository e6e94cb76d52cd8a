//! Which versions a request was sent to in vain.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::common::lock::lock;
use crate::routing::{Point, SLOTS, Split, Version, VersionId};

/// Which versions a request was sent to, shared by its attempts through its extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct Tried {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    versions: Vec<VersionId>,
    /// Whether the last attempt could not be made, so that the next is to go elsewhere.
    failed: bool,
    /// Whether there was another version with a weight when the last one was chosen.
    more: bool,
}

impl Tried {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Whether the next attempt is to go elsewhere, and can: `split` may be another than that of the last one.
    pub(super) fn leads_elsewhere(&self, split: &Split) -> bool {
        let state = self.state();
        state.failed && state.leaves_any(split)
    }

    /// Notes that the last attempt could not be made. `false` where there is nobody else to try.
    #[cfg(feature = "failover")]
    pub(super) fn fail(&self) -> bool {
        let mut state = self.state();
        state.failed = true;
        state.more
    }

    /// Notes that the request goes to the `version` of `split`.
    pub(super) fn note(&self, split: &Split, version: usize) {
        let mut state = self.state();
        state.versions.extend(split.versions().get(version).map(|version| version.id));
        state.more = state.leaves_any(split);
    }

    /// One of the versions that were not tried yet, by their weights among each other.
    pub(super) fn another(&self, split: &Split, point: Point) -> Option<usize> {
        let tried = self.state().versions.clone();
        let left = |v: &Version| if tried.contains(&v.id) { 0 } else { u32::from(v.weight.hundredths()) };
        let weights: Vec<u32> = split.versions().iter().map(left).collect();
        let mut at = u32::from(point.get()) * weights.iter().sum::<u32>() / u32::from(SLOTS);
        let chosen = weights.iter().position(|weight| {
            let is_here = at < *weight;
            at = at.saturating_sub(*weight);
            is_here
        })?;
        self.note(split, chosen);
        Some(chosen)
    }
}

impl State {
    /// Whether a version with a weight was not tried yet.
    fn leaves_any(&self, split: &Split) -> bool {
        split.versions().iter().any(|v| !v.weight.is_zero() && !self.versions.contains(&v.id))
    }
}
