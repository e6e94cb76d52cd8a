//! The versions of one service with their weights.

use super::health_path::HealthPath;
use super::name::ServiceName;
use super::rebalance::apportion;
use super::slots::SlotMap;
use super::version::{Version, VersionShare};
use super::weight::{SLOTS, Weight};

/// The versions of one service with their weights: what every change reads and replaces whole.
///
/// The weights of the active versions total exactly 100 percent, or none is active; an inactive one has weight 0.
/// There is no other way to a split than [`Split::new`] and [`Split::apply`], which keep this, and
/// [`Split::from_parts`], which repairs what is stored.
///
/// ```
/// use std::time::SystemTime;
/// use tower_canary::routing::{Change, Split};
///
/// let at = SystemTime::now();
/// let split = Split::new("auth".parse()?, 7)
///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?), at)?
///     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2:8080".parse()?), at)?
///     .apply(&Change::set_weight("v1.1".parse()?, "10".parse()?), at)?;
/// let weights: Vec<_> = split.versions().iter().map(|v| v.weight.percent()).collect();
/// assert_eq!(weights, [90.0, 10.0]);
/// assert_eq!(split.generation(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    pub(super) service: ServiceName,
    pub(super) salt: u64,
    pub(super) generation: u64,
    pub(super) pin_epoch: u64,
    pub(super) health_path: Option<HealthPath>,
    pub(super) versions: Vec<Version>,
    pub(super) slots: SlotMap,
}

/// A split as it was stored, to be checked by [`Split::from_parts`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SplitParts {
    /// Whose split it is.
    pub service: ServiceName,
    /// The salt of the service's key hash, fixed when the service was created.
    pub salt: u64,
    /// How many changes it has seen.
    pub generation: u64,
    /// How often all pins were given up.
    pub pin_epoch: u64,
    /// Where its versions answer health probes.
    pub health_path: Option<HealthPath>,
    /// The versions, oldest first.
    pub versions: Vec<Version>,
    /// Which version holds which slot.
    pub slots: SlotMap,
}

impl SplitParts {
    /// Creates the parts of a service without versions. A store sets the other fields from its rows.
    #[must_use]
    pub const fn new(service: ServiceName, salt: u64) -> Self {
        let slots = SlotMap::EMPTY;
        Self { service, salt, generation: 0, pin_epoch: 0, health_path: None, versions: Vec::new(), slots }
    }
}

impl Split {
    /// The split of a service without versions. `salt` goes into the hash of keys and never changes.
    #[must_use]
    pub const fn new(service: ServiceName, salt: u64) -> Self {
        let slots = SlotMap::EMPTY;
        Self { service, salt, generation: 0, pin_epoch: 0, health_path: None, versions: Vec::new(), slots }
    }

    /// The split of stored `parts`, and whether it had to be repaired.
    ///
    /// What was edited by hand or imported is not fatal: weights of active versions are relative and scaled to 100
    /// percent by largest remainder; where all are 0 the oldest active version serves; an inactive one has weight 0;
    /// slots follow the weights; of two versions of one name the older stays.
    ///
    /// ```
    /// # use tower_canary::routing::*;
    /// # let at = std::time::SystemTime::now();
    /// # let split = Split::new("auth".parse()?, 7).apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?;
    /// let mut parts = split.clone().into_parts();
    /// parts.versions[0].weight = "40".parse()?;
    /// let (repaired, was_repaired) = Split::from_parts(parts);
    /// assert!(was_repaired);
    /// assert_eq!(repaired, split);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn from_parts(parts: SplitParts) -> (Self, bool) {
        let SplitParts { service, salt, generation, pin_epoch, health_path, versions, slots } = parts;
        let mut split = Self { service, salt, generation, pin_epoch, health_path, versions, slots };
        if split.is_sound() {
            return (split, false);
        }
        let stored = split.clone();
        let mut names = std::collections::BTreeSet::new();
        split.versions.retain(|version| names.insert(version.name.clone()));
        for version in split.versions.iter_mut().filter(|v| !v.active) {
            version.weight = Weight::ZERO;
        }
        split.scale_to_full();
        split.settle_slots();
        let repaired = split != stored;
        (split, repaired)
    }

    /// Whether there is nothing to repair: no name twice, only active versions with a weight, 100 percent in all or no
    /// active version, and as many slots as weight. What a change stored is so; telling is quicker than repairing.
    fn is_sound(&self) -> bool {
        let twice =
            |(i, version): (usize, &Version)| self.versions[..i].iter().any(|v| v.name == version.name);
        let total: u32 = self.versions.iter().map(|v| u32::from(v.weight.hundredths())).sum();
        let full = if self.versions.iter().any(|v| v.active) { u32::from(SLOTS) } else { 0 };
        total == full
            && self.versions.iter().all(|v| v.active || v.weight == Weight::ZERO)
            && !self.versions.iter().enumerate().any(twice)
            && self.slots.matches(total, self.versions.iter().map(|v| (&v.name, v.weight)))
    }

    /// The split as parts to store.
    #[must_use]
    pub fn into_parts(self) -> SplitParts {
        let Self { service, salt, generation, pin_epoch, health_path, versions, slots } = self;
        SplitParts { service, salt, generation, pin_epoch, health_path, versions, slots }
    }

    /// Whose split it is.
    #[must_use]
    pub const fn service(&self) -> &ServiceName {
        &self.service
    }

    /// The salt of the service's key hash.
    #[must_use]
    pub const fn salt(&self) -> u64 {
        self.salt
    }

    /// How many changes the split has seen: the optimistic lock of every write.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// How often all pins were given up: a pin of an earlier epoch is drawn anew.
    #[must_use]
    pub const fn pin_epoch(&self) -> u64 {
        self.pin_epoch
    }

    /// The path below a version's base URL that answers health probes.
    #[must_use]
    pub const fn health_path(&self) -> Option<&HealthPath> {
        self.health_path.as_ref()
    }

    /// The versions, oldest first.
    #[must_use]
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The version called `name`.
    #[must_use]
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.name.as_str() == name)
    }

    /// Which version holds which slot.
    #[must_use]
    pub const fn slots(&self) -> &SlotMap {
        &self.slots
    }

    /// The weights and active flags of all versions, oldest first.
    #[must_use]
    pub fn shares(&self) -> Vec<VersionShare> {
        let share =
            |v: &Version| VersionShare { version: v.name.clone(), weight: v.weight, active: v.active };
        self.versions.iter().map(share).collect()
    }

    /// Whether any version is active.
    #[must_use]
    pub fn has_active(&self) -> bool {
        self.versions.iter().any(|version| version.active)
    }

    /// The versions that would get requests in `after` and get none in this split, or get them at another URL.
    ///
    /// They are what a health probe protects from. The first active version of a service is not among them: there is
    /// no traffic yet that it could be taken from.
    ///
    /// ```
    /// use tower_canary::routing::{Change, Split};
    ///
    /// # let at = std::time::SystemTime::now();
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
    /// #     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?;
    /// let after = split.apply(&Change::switch("v1.1".parse()?), at)?;
    /// let serving: Vec<_> = split.newly_serving(&after).map(|v| v.name.as_str()).collect();
    /// assert_eq!(serving, ["v1.1"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn newly_serving<'a>(&'a self, after: &'a Self) -> impl Iterator<Item = &'a Version> {
        let served_before = self.has_active();
        after.versions.iter().filter(move |version| {
            let before = self.versions.iter().find(|v| v.id == version.id);
            let serves_already =
                before.is_some_and(|b| !b.weight.is_zero() && b.instances == version.instances);
            !version.weight.is_zero() && !serves_already && (served_before || before.is_some())
        })
    }

    pub(super) fn settle_slots(&mut self) {
        let weights: Vec<_> = self.versions.iter().map(|v| (&v.name, v.weight)).collect();
        self.slots = self.slots.reassigned(&weights);
    }

    fn scale_to_full(&mut self) {
        let mut active: Vec<&mut Version> = self.versions.iter_mut().filter(|v| v.active).collect();
        let weights: Vec<u32> = active.iter().map(|v| u32::from(v.weight.hundredths())).collect();
        match apportion(u32::from(SLOTS), &weights) {
            Some(scaled) => {
                for (version, weight) in active.iter_mut().zip(scaled) {
                    version.weight = Weight::saturating_from_hundredths(weight);
                }
            }
            None => {
                if let Some(oldest) = active.first_mut() {
                    oldest.weight = Weight::FULL;
                }
            }
        }
    }
}
