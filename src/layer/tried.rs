//! The versions that a request was sent to, so that a failover chooses another one.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::common::lock::lock;
use crate::routing::{Point, SLOTS, Split, Version, VersionId};

/// The versions that a request was sent to, shared by all attempts through its extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct Tried {
    attempts: Arc<Mutex<Attempts>>,
}

#[derive(Debug, Default)]
struct Attempts {
    versions: Vec<VersionId>,
    /// Whether the last attempt could not connect, so that the next one needs another version.
    failed: bool,
    /// Whether there was an untried version with a weight when the last one was chosen.
    has_more: bool,
}

impl Tried {
    /// Returns whether the next attempt needs another version, and there is one.
    ///
    /// The weights may have changed since the last attempt, so `has_more` may be outdated and `split` decides.
    pub(super) fn needs_another(&self, split: &Split) -> bool {
        let attempts = self.attempts();
        attempts.failed && attempts.leaves_any(split)
    }

    /// Records that the last attempt could not connect. Returns whether there is another version to try.
    #[cfg(feature = "failover")]
    pub(super) fn record_failure(&self) -> bool {
        let mut attempts = self.attempts();
        attempts.failed = true;
        attempts.has_more
    }

    /// Records that the request is sent to the version at position `version` of `split`.
    pub(super) fn record(&self, split: &Split, version: usize) {
        let mut attempts = self.attempts();
        attempts.versions.extend(split.versions().get(version).map(|version| version.id));
        attempts.has_more = attempts.leaves_any(split);
    }

    /// Chooses one of the untried versions, by their weights relative to each other, and records it.
    pub(super) fn choose_another(&self, split: &Split, point: Point) -> Option<usize> {
        let chosen = self.attempts().untried_at(split, point)?;
        self.record(split, chosen);
        Some(chosen)
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        lock(&self.attempts)
    }
}

impl Attempts {
    /// Returns whether a version with a weight was not tried yet.
    fn leaves_any(&self, split: &Split) -> bool {
        split.versions().iter().any(|version| self.remaining_weight(version) > 0)
    }

    /// Returns the position of the untried version at `point`, scaled to the sum of their weights.
    fn untried_at(&self, split: &Split, point: Point) -> Option<usize> {
        let versions = split.versions();
        let total: u32 = versions.iter().map(|version| self.remaining_weight(version)).sum();
        let mut offset = u32::from(point.get()) * total / u32::from(SLOTS);
        for (position, version) in versions.iter().enumerate() {
            let weight = self.remaining_weight(version);
            if offset < weight {
                return Some(position);
            }
            offset -= weight;
        }
        None
    }

    /// Returns the weight of a version in hundredths of a percent, or 0 if it was tried.
    fn remaining_weight(&self, version: &Version) -> u32 {
        if self.versions.contains(&version.id) { 0 } else { u32::from(version.weight.hundredths()) }
    }
}
