//! One deployment of a service.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use super::backend::Backend;
use super::instances::Instances;
use super::name::VersionName;
use super::weight::Weight;
use crate::common::hash::{fnv1a, mix};

/// One deployment of a service: a base URL, a weight, active or not.
///
/// ```
/// use tower_canary::routing::{Change, Split};
///
/// let at = std::time::SystemTime::now();
/// let split = Split::new("auth".parse()?, 7).apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?;
/// let version = &split.versions()[0];
/// assert!(version.active && version.weight == tower_canary::Weight::FULL && version.created_at == at);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Version {
    /// Its identity for as long as it is registered: a name taken again later is another version.
    pub id: VersionId,
    /// What it is called.
    pub name: VersionName,
    /// The base URLs that serve it.
    pub instances: Instances,
    /// Its share of the service's traffic.
    pub weight: Weight,
    /// Whether any rule may choose it.
    pub active: bool,
    /// When it was registered.
    pub created_at: SystemTime,
    /// When its URL, weight or active flag last changed.
    pub updated_at: SystemTime,
}

impl Version {
    /// Creates an inactive version without weight, registered at `at`. A store sets the other fields from its row.
    #[must_use]
    pub const fn new(id: VersionId, name: VersionName, instances: Instances, at: SystemTime) -> Self {
        Self { id, name, instances, weight: Weight::ZERO, active: false, created_at: at, updated_at: at }
    }

    /// Returns the first of its base URLs, which is the only one of a version with one instance.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        self.instances.first()
    }
}

/// What of a version a split's history keeps: its weight and whether it was active.
///
/// ```
/// use tower_canary::routing::{Change, Split};
///
/// let split = Split::new("auth".parse()?, 7)
///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
/// assert_eq!(split.shares()[0].version.as_str(), "v1.0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionShare {
    /// Which version.
    pub version: VersionName,
    /// Its weight then.
    pub weight: Weight,
    /// Whether it was active then.
    pub active: bool,
}

impl VersionShare {
    /// Creates the share that a history entry records.
    #[must_use]
    pub const fn new(version: VersionName, weight: Weight, active: bool) -> Self {
        Self { version, weight, active }
    }
}

impl fmt::Display for VersionShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.active {
            true => write!(f, "{} {} %", self.version, self.weight),
            false => write!(f, "{} inactive", self.version),
        }
    }
}

/// The identity of a version, written as a UUID.
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
    /// The identity of the version called `name` that the change to `generation` registered: each generation registers
    /// at most one, and a store that went back to an earlier one another. A custom UUID (RFC 9562 version 8), so that the
    /// rules of a split need no source of chance.
    pub(super) fn derive(salt: u64, generation: u64, name: &VersionName) -> Self {
        let generation = generation ^ fnv1a(name.as_str());
        let (high, low) = (mix(salt ^ mix(generation)), mix(salt.rotate_left(32).wrapping_add(generation)));
        let version = (high & !0xF000) | 0x8000;
        let variant = (low & !(0b11 << 62)) | (0b10 << 62);
        Self((u128::from(version) << 64) | u128::from(variant))
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

impl FromStr for VersionId {
    type Err = InvalidVersionId;

    fn from_str(text: &str) -> Result<Self, InvalidVersionId> {
        let hex: String = text.chars().filter(|c| *c != '-').collect();
        let id = (hex.len() == 32).then(|| u128::from_str_radix(&hex, 16).ok()).flatten().map(Self);
        id.filter(|id| id.to_string() == text).ok_or(InvalidVersionId)
    }
}

/// A text that is not a [`VersionId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidVersionId;

impl fmt::Display for InvalidVersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a version id: write it as a lower-case UUID")
    }
}

impl std::error::Error for InvalidVersionId {}
