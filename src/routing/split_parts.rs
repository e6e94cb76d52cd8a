//! The parts of a split as a store keeps them, and the repair of parts that break the rules.

use std::collections::BTreeSet;

use super::health_path::HealthPath;
use super::last_change::LastChange;
use super::mirror_share::MirrorShare;
use super::name::ServiceName;
use super::rebalance::apportion;
use super::slots::SlotMap;
use super::split::Split;
use super::version::Version;
use super::weight::{SLOTS, Weight};

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
    /// Which version gets copies of requests.
    pub mirror: Option<MirrorShare>,
    /// Whether the service was [removed](super::Change::RemoveService).
    pub removed: bool,
    /// Who changed the split last, if it is known.
    pub last_change: Option<LastChange>,
}

impl SplitParts {
    /// Creates the parts of a service without versions. A store sets the other fields from its rows.
    #[must_use]
    pub const fn new(service: ServiceName, salt: u64) -> Self {
        Self {
            service,
            salt,
            generation: 0,
            pin_epoch: 0,
            health_path: None,
            versions: Vec::new(),
            slots: SlotMap::EMPTY,
            mirror: None,
            removed: false,
            last_change: None,
        }
    }
}

impl Split {
    /// Creates a split from stored parts, and returns whether it had to be repaired.
    ///
    /// Parts that were edited by hand or imported may break the rules of a split. They are repaired:
    ///
    /// 1. Of versions with the same name, the oldest stays.
    /// 2. A removed service that has versions is not removed.
    /// 3. An inactive version gets weight 0.
    /// 4. The weights of the active versions are scaled to total 100 percent, by largest remainder. If all of them are
    ///    0, the oldest active version gets 100 percent.
    /// 5. Slots are reassigned to the weights, with the fewest slots moved.
    /// 6. A mirror ends if its version is missing or inactive, or if its share is 0.
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
        let split = Self {
            service: parts.service,
            salt: parts.salt,
            generation: parts.generation,
            pin_epoch: parts.pin_epoch,
            health_path: parts.health_path,
            versions: parts.versions,
            slots: parts.slots,
            mirror: parts.mirror,
            removed: parts.removed,
            last_change: parts.last_change,
        };
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
        SplitParts {
            service: self.service,
            salt: self.salt,
            generation: self.generation,
            pin_epoch: self.pin_epoch,
            health_path: self.health_path,
            versions: self.versions,
            slots: self.slots,
            mirror: self.mirror,
            removed: self.removed,
            last_change: self.last_change,
        }
    }

    /// Returns whether the rules of a split hold, so that there is nothing to repair.
    fn is_valid(&self) -> bool {
        let total = Weight::total(self.versions.iter().map(|v| v.weight));
        let expected_total = if self.has_active() { u32::from(SLOTS) } else { 0 };
        total == expected_total
            && (!self.removed || self.versions.is_empty())
            && self.versions.iter().all(|v| v.active || v.weight.is_zero())
            && self.has_unique_names()
            && self.has_valid_mirror()
            && self.slots.matches(total, self.versions.iter().map(|v| (&v.name, v.weight)))
    }

    /// Returns whether no two versions have the same name.
    fn has_unique_names(&self) -> bool {
        // A service has few versions: comparing pairs needs no allocation.
        self.versions.iter().enumerate().all(|(i, v)| self.versions[..i].iter().all(|w| w.name != v.name))
    }

    /// Repairs a split that breaks the rules, in the order of the list at [`from_parts`](Self::from_parts).
    fn repaired(mut self) -> Self {
        let mut names = BTreeSet::new();
        self.versions.retain(|version| names.insert(version.name.clone()));
        self.removed &= self.versions.is_empty();
        for version in self.versions.iter_mut().filter(|version| !version.active) {
            version.weight = Weight::ZERO;
        }
        self.scale_to_full();
        self.reassign_slots();
        self.end_lost_mirror();
        self
    }

    /// Scales the weights of the active versions to 100 percent. If all of them are 0, the oldest active version takes
    /// everything: some version has to serve.
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
