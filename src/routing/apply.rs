//! The rules by which a split changes.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::backend::Backend;
use super::change::{Change, Registration};
use super::change_error::ChangeError;
use super::instances::Instances;
use super::name::VersionName;
use super::rebalance::apportion;
use super::split::Split;
use super::version::{Version, VersionShare};
use super::version_id::VersionId;
use super::weight::{SLOTS, Weight};

impl Split {
    /// The split after `change`, made at `at`; or why it is refused, in which case nothing has happened.
    ///
    /// The generation grows by one; a change that changes nothing returns the split as it is, generation included.
    ///
    /// # Errors
    ///
    /// [`ChangeError`] names the rule that refuses the change and what to do instead.
    pub fn apply(&self, change: &Change, at: SystemTime) -> Result<Self, ChangeError> {
        let mut after = self.clone();
        match change {
            Change::Register(registration) => after.register(registration, at)?,
            Change::SetWeight { version, weight } => after.set_weight(version, *weight)?,
            Change::SetWeights(weights) => after.set_weights(weights)?,
            Change::Switch { version } => after.switch(version)?,
            Change::SetActive { version, active: true, .. } => after.activate(version)?,
            Change::SetActive { version, active: false, force } => after.deactivate(version, *force)?,
            Change::SetUrl { version, backend } => after.set_url(version, backend)?,
            Change::Update { version, backend, active, force } => {
                after.set_url(version, backend)?;
                if *active { after.activate(version)? } else { after.deactivate(version, *force)? }
            }
            Change::Remove { version } => after.remove(version)?,
            Change::Restore { generation, shares } => after.restore(*generation, shares)?,
            Change::Redraw => after.pin_epoch += 1,
        }
        if after == *self {
            return Ok(after);
        }
        after.generation += 1;
        after.settle_slots();
        after.stamp(self, at);
        Ok(after)
    }

    fn register(&mut self, new: &Registration, at: SystemTime) -> Result<(), ChangeError> {
        if self.version(new.version.as_str()).is_some() {
            return Err(ChangeError::DuplicateVersion(new.version.clone()));
        }
        let first = new.active && !self.has_active();
        let weight = new.weight.unwrap_or(if first { Weight::FULL } else { Weight::ZERO });
        if first && weight != Weight::FULL {
            return Err(ChangeError::FirstVersionNeedsAll(new.version.clone()));
        }
        if !new.active && !weight.is_zero() {
            return Err(ChangeError::VersionInactive(new.version.clone()));
        }
        self.versions.push(Version {
            id: VersionId::derive(self.salt, self.generation + 1, &new.version),
            name: new.version.clone(),
            instances: Instances::from(new.backend.clone()),
            weight: if first { Weight::FULL } else { Weight::ZERO },
            active: new.active,
            created_at: at,
            updated_at: at,
        });
        if new.health_path.is_some() {
            self.health_path.clone_from(&new.health_path);
        }
        if weight.is_zero() { Ok(()) } else { self.set_weight(&new.version, weight) }
    }

    fn set_weight(&mut self, version: &VersionName, weight: Weight) -> Result<(), ChangeError> {
        let own = self.named(version)?;
        if !own.active {
            if weight.is_zero() {
                return Ok(());
            }
            return Err(ChangeError::VersionInactive(version.clone()));
        }
        own.weight = weight;
        self.share_rest(version, weight)
    }

    /// Lets the other active versions share what `weight` leaves, in proportion to their present weights.
    fn share_rest(&mut self, version: &VersionName, weight: Weight) -> Result<(), ChangeError> {
        let rest = u32::from(SLOTS - weight.hundredths());
        let mut others: Vec<&mut Version> =
            self.versions.iter_mut().filter(|v| v.active && v.name != *version).collect();
        let weights: Vec<u32> = others.iter().map(|v| u32::from(v.weight.hundredths())).collect();
        let shares = match (apportion(rest, &weights), others.len()) {
            (Some(shares), _) => shares,
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

    fn set_weights(&mut self, weights: &BTreeMap<VersionName, Weight>) -> Result<(), ChangeError> {
        let total: u32 = weights.values().map(|w| u32::from(w.hundredths())).sum();
        if total != u32::from(SLOTS) {
            return Err(ChangeError::WrongTotal { hundredths: total });
        }
        for (version, weight) in weights {
            if !self.named(version)?.active && !weight.is_zero() {
                return Err(ChangeError::VersionInactive(version.clone()));
            }
        }
        for version in &mut self.versions {
            version.weight = weights.get(&version.name).copied().unwrap_or_default();
        }
        Ok(())
    }

    fn switch(&mut self, version: &VersionName) -> Result<(), ChangeError> {
        self.named(version)?.active = true;
        for other in &mut self.versions {
            other.weight = if other.name == *version { Weight::FULL } else { Weight::ZERO };
        }
        Ok(())
    }

    fn activate(&mut self, version: &VersionName) -> Result<(), ChangeError> {
        let alone = !self.has_active();
        let own = self.named(version)?;
        own.active = true;
        if alone {
            own.weight = Weight::FULL;
        }
        Ok(())
    }

    fn deactivate(&mut self, version: &VersionName, force: bool) -> Result<(), ChangeError> {
        if !self.named(version)?.active {
            return Ok(());
        }
        let last = self.versions.iter().filter(|v| v.active).count() == 1;
        if last && !force {
            return Err(ChangeError::LastActiveVersion(version.clone()));
        }
        if !last {
            self.share_rest(version, Weight::ZERO)?;
        }
        let own = self.named(version)?;
        (own.active, own.weight) = (false, Weight::ZERO);
        Ok(())
    }

    fn set_url(&mut self, version: &VersionName, backend: &Backend) -> Result<(), ChangeError> {
        let own = self.named(version)?;
        if own.instances != *backend {
            own.instances = Instances::from(backend.clone());
        }
        Ok(())
    }

    fn remove(&mut self, version: &VersionName) -> Result<(), ChangeError> {
        if self.named(version)?.active {
            return Err(ChangeError::VersionActive(version.clone()));
        }
        self.versions.retain(|v| v.name != *version);
        Ok(())
    }

    fn restore(&mut self, generation: u64, shares: &[VersionShare]) -> Result<(), ChangeError> {
        for share in shares.iter().filter(|share| share.active) {
            if self.version(share.version.as_str()).is_none() {
                return Err(ChangeError::RestoreGone { generation, version: share.version.clone() });
            }
        }
        if !shares.iter().any(|share| share.active) && self.has_active() {
            return Err(ChangeError::RestoreEmpty { generation });
        }
        // A history that was edited by hand may hold anything.
        let serving = shares.iter().filter(|share| share.active);
        let hundredths = serving.map(|share| u32::from(share.weight.hundredths())).sum();
        if hundredths != u32::from(SLOTS) && shares.iter().any(|share| share.active) {
            return Err(ChangeError::WrongTotal { hundredths });
        }
        for version in &mut self.versions {
            let then = shares.iter().find(|share| share.version == version.name);
            version.active = then.map_or(version.active, |share| share.active);
            version.weight = then.filter(|share| share.active).map_or(Weight::ZERO, |share| share.weight);
        }
        Ok(())
    }

    fn named(&mut self, version: &VersionName) -> Result<&mut Version, ChangeError> {
        let found = self.versions.iter_mut().find(|v| v.name == *version);
        found.ok_or_else(|| ChangeError::UnknownVersion(version.clone()))
    }

    /// Marks the versions that differ from `before` as updated.
    fn stamp(&mut self, before: &Self, at: SystemTime) {
        for version in &mut self.versions {
            if before.versions.iter().find(|v| v.id == version.id) != Some(version) {
                version.updated_at = at;
            }
        }
    }
}
