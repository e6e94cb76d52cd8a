//! The rules by which a split changes.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::change::Change;
use super::change_error::ChangeError;
use super::name::VersionName;
use super::rebalance::apportion;
use super::registration::Registration;
use super::split::Split;
use super::url_change::UrlChange;
use super::version::Version;
use super::version_id::VersionId;
use super::weight::{SLOTS, Weight};

impl Split {
    /// Returns the split after `change`, made at the time `at`.
    ///
    /// The generation grows by one. A change that changes nothing returns an equal split with the same generation. A split
    /// of a [removed](Split::is_removed) service accepts registrations only.
    ///
    /// This function decides every change: in each store, for a preview, and in tests.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_canary::routing::{Change, Split};
    ///
    /// let registered = SystemTime::UNIX_EPOCH;
    /// let before = Split::new("auth".parse()?, 7)
    ///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), registered)?
    ///     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), registered)?;
    ///
    /// let switched = registered + Duration::from_secs(60);
    /// let after = before.apply(&Change::switch("v1.1".parse()?), switched)?;
    /// assert_eq!(after.generation(), 3);
    /// assert!(after.versions()[0].weight.is_zero());
    /// assert_eq!(after.versions()[1].updated_at, switched);
    ///
    /// // Again: nothing changes.
    /// assert_eq!(after.apply(&Change::switch("v1.1".parse()?), switched)?, after);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the [`ChangeError`] of the rule that refuses the change. `self` is unchanged in any case.
    pub fn apply(&self, change: &Change, at: SystemTime) -> Result<Self, ChangeError> {
        let mut after = self.clone();
        after.change(change, at)?;
        after.end_lost_mirror();
        if after == *self {
            return Ok(after);
        }
        after.generation = next(self.generation)?;
        after.last_change = None;
        after.reassign_slots();
        after.set_updated_at(self, at);
        Ok(after)
    }

    /// Changes versions and weights. The caller discards the split if this fails half-way.
    fn change(&mut self, change: &Change, at: SystemTime) -> Result<(), ChangeError> {
        match change {
            Change::Register(registration) => self.register(registration, at),
            Change::RemoveService { force } => self.remove_service(*force),
            _ if self.removed => Err(ChangeError::ServiceRemoved(self.service.clone())),
            Change::SetWeight { version, weight } => self.set_weight(version, *weight),
            Change::SetWeights(weights) => self.set_weights(weights),
            Change::Switch { version } => self.switch(version),
            Change::SetActive { version, active, force } => self.set_active(version, *active, *force),
            Change::ChangeUrls { version, urls } => self.change_urls(version, urls),
            Change::Update { version, urls, active, force } => {
                self.change_urls(version, urls)?;
                self.set_active(version, *active, *force)
            }
            Change::Remove { version } => self.remove(version),
            Change::SetHealthPath { path } => {
                self.health_path.clone_from(path);
                Ok(())
            }
            Change::SetMirror { mirror } => self.set_mirror(mirror.as_ref()),
            Change::Restore { generation, shares, settings, recorded_at } => {
                self.restore_settings(settings.as_ref());
                self.restore(*generation, shares, *recorded_at)
            }
            Change::Redraw => {
                self.pin_epoch = next(self.pin_epoch)?;
                Ok(())
            }
        }
    }

    /// Adds a version. The first active one takes all traffic. A later one takes none unless a weight is
    /// given: registering does not move users.
    fn register(&mut self, new: &Registration, at: SystemTime) -> Result<(), ChangeError> {
        let weight = self.weight_to_register(new)?;
        self.removed = false;
        let takes_all = new.active && !self.has_active();
        self.versions.push(Version {
            id: VersionId::derive(self.salt, next(self.generation)?, &new.version),
            name: new.version.clone(),
            instances: new.instances.clone(),
            weight: if takes_all { Weight::FULL } else { Weight::ZERO },
            active: new.active,
            created_at: at,
            updated_at: at,
        });
        if new.health_path.is_some() {
            self.health_path.clone_from(&new.health_path);
        }
        if weight.is_zero() { Ok(()) } else { self.set_weight(&new.version, weight) }
    }

    /// Returns the weight that a version to be registered gets. Refuses a name that is taken, and a weight that the
    /// version cannot have.
    fn weight_to_register(&self, new: &Registration) -> Result<Weight, ChangeError> {
        if self.version(new.version.as_str()).is_some() {
            return Err(ChangeError::DuplicateVersion(new.version.clone()));
        }
        let is_first = new.active && !self.has_active();
        let weight = new.weight.unwrap_or(if is_first { Weight::FULL } else { Weight::ZERO });
        if is_first && weight != Weight::FULL {
            return Err(ChangeError::FirstVersionNeedsAll(new.version.clone()));
        }
        if !new.active && !weight.is_zero() {
            return Err(ChangeError::VersionInactive(new.version.clone()));
        }
        Ok(weight)
    }

    /// Sets one weight. The other active versions share the rest in their present proportions. An inactive version
    /// keeps weight 0, and another weight is refused.
    fn set_weight(&mut self, version: &VersionName, weight: Weight) -> Result<(), ChangeError> {
        let own = self.version_mut(version)?;
        if own.active {
            own.weight = weight;
            return self.distribute_rest(version, weight);
        }
        if weight.is_zero() { Ok(()) } else { Err(ChangeError::VersionInactive(version.clone())) }
    }

    /// Distributes the rest of 100 percent, which `version` leaves, over the other active versions in proportion to
    /// their weights.
    fn distribute_rest(&mut self, version: &VersionName, weight: Weight) -> Result<(), ChangeError> {
        let rest = u32::from(SLOTS - weight.hundredths());
        let mut others: Vec<&mut Version> =
            self.versions.iter_mut().filter(|v| v.active && v.name != *version).collect();
        let weights: Vec<u32> = others.iter().map(|v| u32::from(v.weight.hundredths())).collect();
        let shares = match (apportion(rest, &weights), others.len()) {
            (Some(shares), _) => shares,
            // No proportion: the others are all at 0, or this version is the only active one.
            (None, _) if rest == 0 => return Ok(()),
            (None, 0) => return Err(ChangeError::OnlyVersionNeedsAll(version.clone())),
            (None, 1) => vec![rest],
            (None, _) => return Err(ChangeError::AmbiguousRebalance(version.clone())),
        };
        for (other, share) in others.iter_mut().zip(shares) {
            other.weight = Weight::saturating_from_hundredths(share);
        }
        Ok(())
    }

    /// Sets all weights. Active versions that are left out get 0.
    fn set_weights(&mut self, weights: &BTreeMap<VersionName, Weight>) -> Result<(), ChangeError> {
        check_total(weights.values())?;
        for (version, weight) in weights {
            if !self.version_mut(version)?.active && !weight.is_zero() {
                return Err(ChangeError::VersionInactive(version.clone()));
            }
        }
        for version in &mut self.versions {
            version.weight = weights.get(&version.name).copied().unwrap_or_default();
        }
        Ok(())
    }

    /// Gives one version all traffic, and activates it. Repeating it changes nothing.
    fn switch(&mut self, version: &VersionName) -> Result<(), ChangeError> {
        self.version_mut(version)?.active = true;
        for other in &mut self.versions {
            other.weight = if other.name == *version { Weight::FULL } else { Weight::ZERO };
        }
        Ok(())
    }

    /// Activates or deactivates a version.
    fn set_active(&mut self, version: &VersionName, active: bool, force: bool) -> Result<(), ChangeError> {
        if active { self.activate(version) } else { self.deactivate(version, force) }
    }

    /// Activates a version at weight 0, or at 100 if it is the only active one.
    fn activate(&mut self, version: &VersionName) -> Result<(), ChangeError> {
        let is_first = !self.has_active();
        let own = self.version_mut(version)?;
        own.active = true;
        if is_first {
            own.weight = Weight::FULL;
        }
        Ok(())
    }

    /// Deactivates a version. The others take its weight in their present proportions. The last active version is
    /// refused without `force`. An inactive one stays as it is.
    fn deactivate(&mut self, version: &VersionName, force: bool) -> Result<(), ChangeError> {
        if !self.version_mut(version)?.active {
            return Ok(());
        }
        let is_last = self.versions.iter().filter(|v| v.active).count() == 1;
        if is_last && !force {
            return Err(ChangeError::LastActiveVersion(version.clone()));
        }
        if !is_last {
            self.distribute_rest(version, Weight::ZERO)?;
        }
        let own = self.version_mut(version)?;
        own.active = false;
        own.weight = Weight::ZERO;
        Ok(())
    }

    /// Changes base URLs. The weight stays: users keep their version while its processes are replaced.
    fn change_urls(&mut self, version: &VersionName, urls: &UrlChange) -> Result<(), ChangeError> {
        let own = self.version_mut(version)?;
        let after = match urls {
            UrlChange::Set(urls) => urls.clone(),
            UrlChange::Add(urls) => own.instances.with(urls)?,
            UrlChange::Remove(urls) => {
                own.instances.without(urls).ok_or_else(|| ChangeError::LastInstance(version.clone()))?
            }
        };
        // Equal URLs in another spelling are no change.
        if own.instances != after {
            own.instances = after;
        }
        Ok(())
    }

    /// Removes an inactive version. Its weight is 0, so nothing else changes.
    fn remove(&mut self, version: &VersionName) -> Result<(), ChangeError> {
        if self.version_mut(version)?.active {
            return Err(ChangeError::VersionActive(version.clone()));
        }
        self.versions.retain(|v| v.name != *version);
        Ok(())
    }

    /// Removes all versions and the health path. The generation and the history go on. A service with active versions
    /// is refused without `force`.
    fn remove_service(&mut self, force: bool) -> Result<(), ChangeError> {
        let active = self.versions.iter().filter(|version| version.active);
        let active: Vec<VersionName> = active.map(|version| version.name.clone()).collect();
        if !active.is_empty() && !force {
            return Err(ChangeError::ServiceActive(active));
        }
        self.versions.clear();
        self.health_path = None;
        self.removed = true;
        Ok(())
    }

    /// Returns the version called `name`, to change it, or refuses the change if no version has the name.
    fn version_mut(&mut self, name: &VersionName) -> Result<&mut Version, ChangeError> {
        let version = self.versions.iter_mut().find(|version| version.name == *name);
        version.ok_or_else(|| ChangeError::UnknownVersion(name.clone()))
    }

    /// Sets the time of the last change on the versions that differ from `before`.
    fn set_updated_at(&mut self, before: &Self, at: SystemTime) {
        for version in &mut self.versions {
            if before.versions.iter().find(|v| v.id == version.id) != Some(version) {
                version.updated_at = at;
            }
        }
    }
}

/// Returns the next generation or pin epoch. A forged or edited one may be the largest number.
fn next(count: u64) -> Result<u64, ChangeError> {
    count.checked_add(1).ok_or(ChangeError::TooManyChanges)
}

/// Refuses weights that do not total 100 percent.
pub(super) fn check_total<'a>(weights: impl Iterator<Item = &'a Weight>) -> Result<(), ChangeError> {
    let hundredths = Weight::total(weights.copied());
    if hundredths == u32::from(SLOTS) { Ok(()) } else { Err(ChangeError::WrongTotal { hundredths }) }
}
