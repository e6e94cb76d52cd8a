//! The identity of a version.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::name::VersionName;
use crate::common::hash::{fnv1a, mix};

/// The identity of a version, written as a UUID in lower case.
///
/// A name can be taken again after its version was removed. The identity cannot: counters, pins and health belong to the
/// identity.
///
/// ```
/// use tower_canary::routing::VersionId;
///
/// let id: VersionId = "67e55044-10b1-826f-9247-bb680e5fe0c8".parse()?;
/// assert_eq!(id.to_string(), "67e55044-10b1-826f-9247-bb680e5fe0c8");
/// # Ok::<(), tower_canary::routing::InvalidVersionId>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId(u128);

impl VersionId {
    /// Derives the identity of the version `name` that is registered by the change to `generation`.
    ///
    /// A generation registers at most one version, so the generation alone separates the versions of a service. The name
    /// is hashed too: a store that was set back to an earlier generation then gives another version another identity.
    ///
    /// The identity is derived instead of drawn at random, so that [`Split::apply`](super::Split::apply) stays a pure
    /// function. The result is a custom UUID, version 8 of RFC 9562.
    pub(super) fn derive(salt: u64, generation: u64, name: &VersionName) -> Self {
        let input = generation ^ fnv1a(name.as_str());
        let high = mix(salt ^ mix(input));
        let low = mix(salt.rotate_left(32).wrapping_add(input));
        let high_with_version = (high & !0xF000) | 0x8000;
        let low_with_variant = (low & !(0b11 << 62)) | (0b10 << 62);
        Self((u128::from(high_with_version) << 64) | u128::from(low_with_variant))
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads the one spelling that [`Display`](fmt::Display) writes, so that equal identities are equal texts.
impl FromStr for VersionId {
    type Err = InvalidVersionId;

    fn from_str(text: &str) -> Result<Self, InvalidVersionId> {
        let digits = text.replace('-', "");
        let id = u128::from_str_radix(&digits, 16).map(Self).map_err(|_| InvalidVersionId)?;
        if id.to_string() == text { Ok(id) } else { Err(InvalidVersionId) }
    }
}

/// The error for a text that is not a [`VersionId`].
///
/// ```
/// assert!("67E55044-10B1-826F-9247-BB680E5FE0C8".parse::<tower_canary::routing::VersionId>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a version id: write it as a lower-case UUID")]
#[non_exhaustive]
pub struct InvalidVersionId;
