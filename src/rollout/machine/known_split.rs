//! The split as the machine knows it, to notice changes of others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::routing::{Instances, Split, Version, VersionId, Weight};

/// The parts of a split that a rollout depends on, as the machine read or made them last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KnownSplit {
    /// The generation of the split. Another one means that somebody else changed it.
    pub(super) generation: u64,
    /// The canary. `None` if it is gone, also where another version has its name.
    pub(super) canary: Option<KnownVersion>,
    /// The other versions with a weight.
    stable: BTreeMap<VersionId, KnownVersion>,
}

/// What the machine compares of one version: whether it serves, how much, and by which processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KnownVersion {
    pub(super) active: bool,
    pub(super) weight: Weight,
    urls: Instances,
}

/// How a split differs from the known one. Of several differences, the gravest, which is the last one here that
/// applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// None that matters to a rollout.
    None,
    /// The canary or another version has another weight.
    Changed,
    /// A base URL of the canary, or of another version that had and has a weight, is gone.
    Replaced,
    /// The canary has all traffic now.
    CanaryFull,
    /// The canary is gone, or is inactive or at 0 now.
    CanaryOut,
}

impl KnownSplit {
    /// Takes what matters from `split`, whose canary has the id `canary`. Of the other versions only those with a
    /// weight matter: the evidence compares the canary with them.
    pub(super) fn from_split(split: &Split, canary: VersionId) -> Self {
        let own = split.versions().iter().find(|version| version.id == canary);
        let stable =
            split.versions().iter().filter(|version| version.id != canary && !version.weight.is_zero());
        Self {
            generation: split.generation(),
            canary: own.map(KnownVersion::from_version),
            stable: stable.map(|version| (version.id, KnownVersion::from_version(version))).collect(),
        }
    }

    /// Returns how `now`, which is later, differs from this split.
    pub(super) fn difference(&self, now: &Self) -> Difference {
        let (Some(before), Some(canary)) = (&self.canary, &now.canary) else { return Difference::CanaryOut };
        if (before.active && !canary.active) || (canary.weight.is_zero() && !before.weight.is_zero()) {
            return Difference::CanaryOut;
        }
        if canary.weight == Weight::FULL && before.weight != Weight::FULL {
            return Difference::CanaryFull;
        }
        if before.lost_urls(canary) || self.stable.iter().any(|(id, before)| now.lost_urls_of(*id, before)) {
            return Difference::Replaced;
        }
        if before.weight != canary.weight || !self.has_weights_of(now) {
            return Difference::Changed;
        }
        Difference::None
    }

    /// Returns whether the version `id` still has a weight, and lacks a base URL that it had `before`.
    fn lost_urls_of(&self, id: VersionId, before: &KnownVersion) -> bool {
        self.stable.get(&id).is_some_and(|now| before.lost_urls(now))
    }

    /// Returns whether the versions beside the canary are the same ones `now`, with the same weights.
    fn has_weights_of(&self, now: &Self) -> bool {
        let own = self.stable.iter().map(|(id, version)| (*id, version.weight));
        own.eq(now.stable.iter().map(|(id, version)| (*id, version.weight)))
    }
}

impl KnownVersion {
    /// Takes the facts of a version that a later split is compared by.
    fn from_version(version: &Version) -> Self {
        Self { active: version.active, weight: version.weight, urls: version.instances.clone() }
    }

    /// Returns whether `now` lacks a base URL of this version. A new one alone replaces nothing.
    fn lost_urls(&self, now: &Self) -> bool {
        self.urls.iter().any(|url| !now.urls.iter().any(|other| other == url))
    }
}
