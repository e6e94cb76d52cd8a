//! The rule by which an earlier generation comes back.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::apply::check_total;
use super::change_error::ChangeError;
use super::name::VersionName;
use super::service_settings::ServiceSettings;
use super::split::Split;
use super::version::VersionShare;
use super::weight::Weight;

impl Split {
    /// Restores the settings of the service. The pin epoch only grows, or else invalid pins would be valid again.
    pub(super) fn restore_settings(&mut self, settings: Option<&ServiceSettings>) {
        if let Some(settings) = settings {
            self.health_path.clone_from(&settings.health_path);
            // It ends if its version is not active after the change.
            self.mirror.clone_from(&settings.mirror);
        }
    }

    /// Restores `shares`. They come from a history that may have been edited by hand, so they are validated, and only
    /// the first share of a version counts.
    pub(super) fn restore(
        &mut self,
        generation: u64,
        shares: &[VersionShare],
        recorded_at: Option<SystemTime>,
    ) -> Result<(), ChangeError> {
        let shares = first_of_each_version(shares);
        let active: Vec<&VersionShare> = shares.iter().copied().filter(|share| share.active).collect();
        for share in &active {
            if self.version(share.version.as_str()).is_none() {
                return Err(ChangeError::RestoreGone { generation, version: share.version.clone() });
            }
        }
        let replaced: Vec<VersionName> = self.replaced(&active, recorded_at).collect();
        if !replaced.is_empty() {
            return Err(ChangeError::RestoreReplaced { generation, versions: replaced });
        }
        if !active.is_empty() {
            check_total(active.iter().map(|share| &share.weight))?;
        } else if self.has_active() {
            return Err(ChangeError::RestoreEmpty { generation });
        }
        self.restore_versions(&shares);
        Ok(())
    }

    /// Iterates over the versions of `shares` that were registered after `recorded_at` and whose base URLs were not
    /// recorded.
    fn replaced<'a>(
        &'a self,
        shares: &'a [&VersionShare],
        recorded_at: Option<SystemTime>,
    ) -> impl Iterator<Item = VersionName> + 'a {
        let unrecorded = shares.iter().filter(|share| share.instances.is_none());
        let versions = unrecorded.filter_map(|share| self.version(share.version.as_str()));
        let later = versions.filter(move |version| recorded_at.is_some_and(|at| version.created_at > at));
        later.map(|version| version.name.clone())
    }

    /// Gives each version its share of the earlier generation, with the base URLs that were recorded.
    fn restore_versions(&mut self, shares: &[&VersionShare]) {
        for version in &mut self.versions {
            let share = shares.iter().find(|share| share.version == version.name);
            // A version that the generation did not have keeps its active flag, at weight 0.
            version.active = share.map_or(version.active, |share| share.active);
            version.weight = share.filter(|share| share.active).map_or(Weight::ZERO, |share| share.weight);
            let recorded = share.and_then(|share| share.instances.as_ref());
            // Equal base URLs in another spelling are no change.
            if let Some(recorded) = recorded.filter(|recorded| **recorded != version.instances) {
                version.instances.clone_from(recorded);
            }
        }
    }
}

/// Returns the first share of each version.
fn first_of_each_version(shares: &[VersionShare]) -> Vec<&VersionShare> {
    let mut versions = BTreeSet::new();
    shares.iter().filter(|share| versions.insert(&share.version)).collect()
}
