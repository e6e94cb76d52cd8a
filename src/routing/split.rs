//! The versions of one service with their weights.

use std::collections::BTreeSet;

use super::health_path::HealthPath;
use super::name::ServiceName;
use super::rebalance::apportion;
use super::slots::SlotMap;
use super::version::{Version, VersionShare};
use super::weight::{SLOTS, Weight};

/// The versions of one service with their weights. Every change reads it and replaces it as a whole.
///
/// These hold for every split:
///
/// - The weights of the active versions total exactly 100 percent, or no version is active.
/// - An inactive version has weight 0.
/// - The names of the versions are unique.
/// - The [`SlotMap`] gives each version as many slots as its weight has hundredths of a percent.
///
/// A split is made by [`Split::new`], by [`Split::apply`], or by [`Split::from_parts`], which repairs stored parts.
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

/// The parts of a split, as a store reads and writes them. Nothing about them is checked until [`Split::from_parts`].
///
/// ```
/// use tower_canary::routing::{Split, SplitParts, Version};
/// use tower_canary::{Backend, Weight};
///
/// # let id = "67e55044-10b1-826f-9247-bb680e5fe0c8".parse()?;
/// # let created_at = std::time::SystemTime::now();
/// let backend: Backend = "http://10.0.0.1:8080".parse()?;
/// let mut version = Version::new(id, "v1.0".parse()?, backend.into(), created_at);
/// version.weight = Weight::FULL;
/// version.active = true;
///
/// let mut parts = SplitParts::new("auth".parse()?, 7);
/// parts.generation = 1;
/// parts.versions.push(version);
/// parts.slots = "v1.0:10000".parse()?;
/// let (split, was_repaired) = Split::from_parts(parts);
/// assert!(!was_repaired && split.has_active());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SplitParts {
    /// The service.
    pub service: ServiceName,
    /// The salt of the hash of keys, fixed when the service is created.
    pub salt: u64,
    /// The number of changes so far.
    pub generation: u64,
    /// How often all pins were invalidated.
    pub pin_epoch: u64,
    /// The path that health probes request.
    pub health_path: Option<HealthPath>,
    /// The versions, oldest first.
    pub versions: Vec<Version>,
    /// The owners of the slots.
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
    /// Creates the split of a service without versions, at generation 0.
    ///
    /// `salt` seeds the hash of keys, so that different services give a user different slots. It never changes. A store
    /// chooses it when it creates a service: at random, or by [`Draw::salt`](super::Draw::salt). See [`Split`] for an
    /// example.
    #[must_use]
    pub const fn new(service: ServiceName, salt: u64) -> Self {
        let slots = SlotMap::EMPTY;
        Self { service, salt, generation: 0, pin_epoch: 0, health_path: None, versions: Vec::new(), slots }
    }

    /// Creates a split from stored parts, and returns whether it had to be repaired.
    ///
    /// Parts that were edited by hand or imported may break the rules of a split. They are repaired:
    ///
    /// 1. Of versions with the same name, the oldest stays.
    /// 2. An inactive version gets weight 0.
    /// 3. The weights of the active versions are scaled to total 100 percent, by largest remainder. If all of them are 0,
    ///    the oldest active version gets 100 percent.
    /// 4. Slots are reassigned to the weights, with the fewest slots moved.
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
        let split = Self { service, salt, generation, pin_epoch, health_path, versions, slots };
        // Nearly every stored split is valid, and a check is much faster than a repair.
        if split.is_valid() {
            return (split, false);
        }
        let repaired = split.clone().repaired();
        let was_repaired = repaired != split;
        (repaired, was_repaired)
    }

    /// Returns the parts for a store to write. See [`SplitParts`] for an example.
    #[must_use]
    pub fn into_parts(self) -> SplitParts {
        let Self { service, salt, generation, pin_epoch, health_path, versions, slots } = self;
        SplitParts { service, salt, generation, pin_epoch, health_path, versions, slots }
    }

    /// Returns the name of the service.
    #[must_use]
    pub const fn service(&self) -> &ServiceName {
        &self.service
    }

    /// Returns the salt of the hash of keys.
    #[must_use]
    pub const fn salt(&self) -> u64 {
        self.salt
    }

    /// Returns the number of changes so far. It is the optimistic lock of every write.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns how often all pins were invalidated. A pin of an earlier epoch is ignored.
    #[must_use]
    pub const fn pin_epoch(&self) -> u64 {
        self.pin_epoch
    }

    /// Returns the path below a version's base URL that health probes request, if the service has one.
    #[must_use]
    pub const fn health_path(&self) -> Option<&HealthPath> {
        self.health_path.as_ref()
    }

    /// Returns the versions, oldest first.
    #[must_use]
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// Returns the version called `name`, active or not.
    ///
    /// ```
    /// use tower_canary::routing::{Change, Split};
    ///
    /// let split = Split::new("auth".parse()?, 7)
    ///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
    /// assert!(split.version("v1.0").is_some_and(|version| version.active));
    /// assert!(split.version("v1.1").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.name.as_str() == name)
    }

    /// Returns the owners of the slots.
    #[must_use]
    pub const fn slots(&self) -> &SlotMap {
        &self.slots
    }

    /// Returns the weight and the active flag of each version, oldest first, as the history records them.
    #[must_use]
    pub fn shares(&self) -> Vec<VersionShare> {
        self.versions.iter().map(|v| VersionShare::new(v.name.clone(), v.weight, v.active)).collect()
    }

    /// Returns whether any version is active.
    #[must_use]
    pub fn has_active(&self) -> bool {
        self.versions.iter().any(|version| version.active)
    }

    /// Returns the versions that get traffic in `after` and get none in this split, or get it at other base URLs.
    ///
    /// These are the versions to probe before the change. The first active version of a service is not among them: it
    /// takes traffic from no other version.
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
        let had_traffic = self.has_active();
        after.versions.iter().filter(move |version| {
            let before = self.versions.iter().find(|v| v.id == version.id);
            let serves_already =
                before.is_some_and(|v| !v.weight.is_zero() && v.instances == version.instances);
            !version.weight.is_zero() && !serves_already && (had_traffic || before.is_some())
        })
    }

    /// Reassigns the slots to the present weights.
    pub(super) fn reassign_slots(&mut self) {
        let weights: Vec<_> = self.versions.iter().map(|v| (&v.name, v.weight)).collect();
        self.slots = self.slots.reassigned(&weights);
    }

    /// Returns whether the rules of a split hold, so that there is nothing to repair.
    fn is_valid(&self) -> bool {
        let total: u32 = self.versions.iter().map(|v| u32::from(v.weight.hundredths())).sum();
        let expected_total = if self.has_active() { u32::from(SLOTS) } else { 0 };
        total == expected_total
            && self.versions.iter().all(|v| v.active || v.weight.is_zero())
            && self.has_unique_names()
            && self.slots.matches(total, self.versions.iter().map(|v| (&v.name, v.weight)))
    }

    /// A service has few versions: comparing pairs needs no allocation.
    fn has_unique_names(&self) -> bool {
        self.versions.iter().enumerate().all(|(i, v)| self.versions[..i].iter().all(|w| w.name != v.name))
    }

    fn repaired(mut self) -> Self {
        let mut names = BTreeSet::new();
        self.versions.retain(|version| names.insert(version.name.clone()));
        for version in self.versions.iter_mut().filter(|version| !version.active) {
            version.weight = Weight::ZERO;
        }
        self.scale_to_full();
        self.reassign_slots();
        self
    }

    fn scale_to_full(&mut self) {
        let mut active: Vec<&mut Version> = self.versions.iter_mut().filter(|v| v.active).collect();
        let weights: Vec<u32> = active.iter().map(|v| u32::from(v.weight.hundredths())).collect();
        if let Some(scaled) = apportion(u32::from(SLOTS), &weights) {
            for (version, weight) in active.iter_mut().zip(scaled) {
                version.weight = Weight::saturating_from_hundredths(weight);
            }
        } else if let Some(oldest) = active.first_mut() {
            oldest.weight = Weight::FULL;
        }
    }
}
