//! The rules of the mirror of a split.

use super::change_error::ChangeError;
use super::mirror_share::MirrorShare;
use super::split::Split;

impl Split {
    /// Sets or removes the mirror. Only an active version can get copies, and only of a share above 0.
    pub(super) fn set_mirror(&mut self, mirror: Option<&MirrorShare>) -> Result<(), ChangeError> {
        if let Some(mirror) = mirror {
            let version = self.version(mirror.version.as_str());
            let version = version.ok_or_else(|| ChangeError::UnknownVersion(mirror.version.clone()))?;
            if !version.active {
                return Err(ChangeError::MirrorInactive(mirror.version.clone()));
            }
            if mirror.share.is_zero() {
                return Err(ChangeError::MirrorWithoutShare);
            }
        }
        self.mirror = mirror.cloned();
        Ok(())
    }

    /// Ends a mirror whose version is missing or inactive, or whose share is 0.
    pub(super) fn end_lost_mirror(&mut self) {
        if !self.has_valid_mirror() {
            self.mirror = None;
        }
    }

    /// Returns whether there is no mirror, or one to an active version with a share above 0.
    pub(super) fn has_valid_mirror(&self) -> bool {
        self.mirror.as_ref().is_none_or(|mirror| {
            let version = self.version(mirror.version.as_str());
            version.is_some_and(|version| version.active) && !mirror.share.is_zero()
        })
    }
}
