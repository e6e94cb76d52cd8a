//! The signed value of a pin.
//!
//! It is `SERVICE/EPOCH/VERSION-ID/EXPIRY`. The epoch is a number of the service that a redraw raises, which makes all
//! earlier pins invalid.

use crate::routing::{Split, Version};

/// The signed value of a cookie: `SERVICE/EPOCH/VERSION-ID/EXPIRY`.
pub(super) struct PinValue<'a> {
    service: &'a str,
    /// The [pin epoch](Split::pin_epoch) of the split that chose the version.
    epoch: u64,
    id: &'a str,
    /// Seconds since 1970.
    expires: u64,
}

impl<'a> PinValue<'a> {
    /// Formats the value for a version.
    pub(super) fn format(split: &Split, version: &Version, expires: u64) -> String {
        format!("{}/{}/{}/{expires}", split.service(), split.pin_epoch(), version.id)
    }

    /// Parses a value. Returns `None` if it is not of the form that `format` writes.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('/');
        let value = Self {
            service: parts.next()?,
            epoch: parts.next()?.parse().ok()?,
            id: parts.next()?,
            expires: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(value)
    }

    /// Returns the position of the version, if the pin is valid at the second `now`.
    ///
    /// A later epoch than the split's is valid: another replica, which has seen a redraw before this
    /// one, has drawn the user since.
    pub(super) fn version(&self, split: &Split, now: u64) -> Option<usize> {
        if self.service != split.service().as_str() || self.epoch < split.pin_epoch() || self.expires <= now {
            return None;
        }
        split.versions().iter().position(|version| version.active && version.id.to_string() == self.id)
    }
}
