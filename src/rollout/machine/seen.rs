//! What the machine has seen of a split, to notice changes of others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::routing::{Instances, Split, Version, VersionId, Weight};

/// The parts of a split that a rollout depends on, as the machine saw or made them last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) generation: u64,
    /// `None` if the canary is gone.
    pub(super) canary: Option<SeenVersion>,
    /// The other versions with a weight.
    stable: BTreeMap<VersionId, SeenVersion>,
}

/// What the machine compares of one version: whether it serves, how much, and by which processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeenVersion {
    pub(super) active: bool,
    pub(super) weight: Weight,
    urls: Instances,
}

/// How a split differs from the one seen last. Of several differences, the gravest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// None that matters to a rollout.
    None,
    /// Weights.
    Changed,
    /// Base URLs that are gone.
    Replaced,
    /// The canary is gone, inactive or at 0.
    CanaryOut,
    /// The canary has all traffic.
    CanaryFull,
}

impl Seen {
    /// Records the split. Of the other versions only those with traffic matter: the evidence is compared with
    /// them.
    pub(super) fn from_split(split: &Split, canary: VersionId) -> Self {
        let find = split.versions().iter().find(|version| version.id == canary);
        let stable =
            split.versions().iter().filter(|version| version.id != canary && !version.weight.is_zero());
        Self {
            generation: split.generation(),
            canary: find.map(SeenVersion::from_version),
            stable: stable.map(|version| (version.id, SeenVersion::from_version(version))).collect(),
        }
    }

    /// Returns how `now` differs from this.
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

    /// Returns whether the version serves on without a base URL that it had.
    fn lost_urls_of(&self, id: VersionId, before: &SeenVersion) -> bool {
        self.stable.get(&id).is_some_and(|now| before.lost_urls(now))
    }

    /// Returns whether the other versions are the same ones with the same weights.
    fn has_weights_of(&self, other: &Self) -> bool {
        let own = self.stable.iter().map(|(id, version)| (*id, version.weight));
        own.eq(other.stable.iter().map(|(id, version)| (*id, version.weight)))
    }
}

impl SeenVersion {
    /// Takes the facts of a version that a later split is compared by.
    fn from_version(version: &Version) -> Self {
        Self { active: version.active, weight: version.weight, urls: version.instances.clone() }
    }

    /// Returns whether a base URL is gone. A new one alone replaces nothing.
    fn lost_urls(&self, now: &Self) -> bool {
        self.urls.iter().any(|url| !now.urls.iter().any(|other| other == url))
    }
}
