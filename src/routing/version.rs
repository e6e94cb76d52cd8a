//! One deployment of a service.

use std::fmt;
use std::time::SystemTime;

use super::backend::Backend;
use super::instances::Instances;
use super::name::VersionName;
use super::version_id::VersionId;
use super::weight::Weight;

/// One deployment of a service: base URLs, a weight, and whether it is active.
///
/// In a [`Split`](super::Split) these hold:
///
/// - The name is unique.
/// - An inactive version has weight 0 and never gets a request.
/// - An active version at weight 0 gets a request only by an override or through a pin of its user. It gets copies of
///   requests if the [mirror](super::Split::mirror) names it.
///
/// A version on its own can break them. [`Split::from_parts`](super::Split::from_parts) repairs what it is given.
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
    /// The identity, fixed until the version is removed. A version registered later under the same name has another.
    pub id: VersionId,
    /// The name, unique among the versions of the service.
    pub name: VersionName,
    /// The base URLs.
    pub instances: Instances,
    /// The share of the service's traffic.
    pub weight: Weight,
    /// Whether the version may get requests.
    pub active: bool,
    /// When the version was registered.
    pub created_at: SystemTime,
    /// When the base URLs, the weight or the active flag last changed.
    pub updated_at: SystemTime,
}

impl Version {
    /// Creates an inactive version at weight 0 that was registered at the time `at`.
    ///
    /// It is meant for stores, which set the other fields from their rows. See [`SplitParts`](super::SplitParts) for an
    /// example.
    #[must_use]
    pub const fn new(id: VersionId, name: VersionName, instances: Instances, at: SystemTime) -> Self {
        Self { id, name, instances, weight: Weight::ZERO, active: false, created_at: at, updated_at: at }
    }

    /// Returns the part of the version that the history records.
    pub(super) fn share(&self) -> VersionShare {
        VersionShare::new(self.name.clone(), self.weight, self.active).with_instances(self.instances.clone())
    }

    /// Returns the first base URL. A version with one instance has no other.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        self.instances.first()
    }
}

/// The weight, the active flag and the base URLs of a version at one generation, as the history of a split records them.
///
/// ```
/// use tower_canary::routing::{Change, Split};
///
/// let split = Split::new("auth".parse()?, 7)
///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
/// assert_eq!(split.shares()[0].version.as_str(), "v1.0");
/// assert_eq!(split.shares()[0].to_string(), "v1.0 100 %");
/// assert_eq!(split.shares()[0].instances, Some(split.versions()[0].instances.clone()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionShare {
    /// The name of the version.
    pub version: VersionName,
    /// The weight at that generation.
    pub weight: Weight,
    /// Whether the version was active at that generation.
    pub active: bool,
    /// The base URLs at that generation. `None`: an earlier release recorded the share, without them.
    pub instances: Option<Instances>,
}

impl VersionShare {
    /// Creates the share of `version`, without base URLs. Stores use it to read a history entry.
    #[must_use]
    pub const fn new(version: VersionName, weight: Weight, active: bool) -> Self {
        Self { version, weight, active, instances: None }
    }

    /// Sets the base URLs.
    ///
    /// ```
    /// use tower_canary::routing::{Backend, VersionShare};
    ///
    /// let backend: Backend = "http://10.0.0.1:8080".parse()?;
    /// let share = VersionShare::new("v1.0".parse()?, "100".parse()?, true).with_instances(backend.into());
    /// assert!(share.instances.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_instances(self, instances: Instances) -> Self {
        Self { instances: Some(instances), ..self }
    }
}

impl fmt::Display for VersionShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.active {
            write!(f, "{} {} %", self.version, self.weight)
        } else {
            write!(f, "{} inactive", self.version)
        }
    }
}
