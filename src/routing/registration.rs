//! A version to add to a service.

use std::fmt;

use super::backend::Backend;
use super::health_path::HealthPath;
use super::instances::Instances;
use super::name::VersionName;
use super::weight::Weight;

/// A version to add to a service: the content of [`Change::Register`](super::Change::Register).
///
/// ```
/// use tower_canary::routing::{Change, Registration};
///
/// let canary = Registration::new("v1.1".parse()?, "http://10.0.0.2:8080".parse()?)
///     .with_weight("10".parse()?)
///     .with_health_path("/healthz".parse()?);
/// assert_eq!(canary.to_string(), "v1.1 at http://10.0.0.2:8080 with 10 %");
/// let change = Change::Register(canary);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// The name of the version.
    pub version: VersionName,
    /// The base URLs.
    pub(super) instances: Instances,
    /// The weight that the version gets immediately. `None` is the default: 100 percent for the first active version of
    /// the service, 0 for a later one.
    pub weight: Option<Weight>,
    /// Whether the version is active.
    pub active: bool,
    /// The health path of the service. `None` leaves it as it is.
    pub health_path: Option<HealthPath>,
}

impl Registration {
    /// Creates the registration of an active version with one base URL and the default weight.
    ///
    /// ```
    /// use tower_canary::routing::Registration;
    ///
    /// let stable = Registration::new("v1.0".parse()?, "http://10.0.0.1:8080".parse()?);
    /// assert!(stable.active && stable.weight.is_none());
    /// assert_eq!(stable.instances().len().get(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(version: VersionName, backend: Backend) -> Self {
        Self { version, instances: backend.into(), weight: None, active: true, health_path: None }
    }

    /// Sets the base URLs, in place of the one that [`new`](Self::new) got. Requests of the version are balanced over them.
    ///
    /// ```
    /// use tower_canary::routing::{Instances, Registration};
    ///
    /// let urls = Instances::new(vec!["http://10.0.0.2:8080".parse()?, "http://10.0.0.3:8080".parse()?])?;
    /// let canary = Registration::new("v1.1".parse()?, urls.first().clone()).with_instances(urls);
    /// assert_eq!(canary.to_string(), "v1.1 at http://10.0.0.2:8080 and http://10.0.0.3:8080");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_instances(self, instances: Instances) -> Self {
        Self { instances, ..self }
    }

    /// Sets the weight that the version gets immediately. The other active versions share the rest as after
    /// [`Change::set_weight`](super::Change::set_weight). Default: no traffic, except for the first active version.
    #[must_use]
    pub fn with_weight(self, weight: Weight) -> Self {
        Self { weight: Some(weight), ..self }
    }

    /// Sets the health path of the service, for all of its versions. Default: the path stays as it is.
    #[must_use]
    pub fn with_health_path(self, path: HealthPath) -> Self {
        Self { health_path: Some(path), ..self }
    }

    /// Registers the version as active or inactive. Default: active.
    ///
    /// ```
    /// use tower_canary::routing::Registration;
    ///
    /// let parked = Registration::new("v1.2".parse()?, "http://10.0.0.3:8080".parse()?).with_active(false);
    /// assert_eq!(parked.to_string(), "v1.2 at http://10.0.0.3:8080, inactive");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_active(self, active: bool) -> Self {
        Self { active, ..self }
    }

    /// Returns the base URLs of the version.
    #[must_use]
    pub const fn instances(&self) -> &Instances {
        &self.instances
    }
}

impl fmt::Display for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.version, self.instances)?;
        if let Some(weight) = self.weight {
            write!(f, " with {weight} %")?;
        }
        f.write_str(if self.active { "" } else { ", inactive" })
    }
}
