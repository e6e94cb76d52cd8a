//! What can be done to a split.

use std::collections::BTreeMap;
use std::fmt;

use super::backend::Backend;
use super::health_path::HealthPath;
use super::name::VersionName;
use super::version::VersionShare;
use super::weight::Weight;

/// A command on a [`Split`](super::Split). [`Split::apply`](super::Split::apply) decides it.
///
/// ```
/// use tower_canary::routing::Change;
///
/// let change = Change::switch("v1.1".parse()?);
/// assert_eq!((change.kind(), change.to_string()), ("switch", "switch to v1.1".to_owned()));
/// # Ok::<(), tower_canary::routing::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Adds a version. The first active one of a service takes 100; a later one 0, or the share it names.
    Register(Registration),
    /// Gives an active version a weight. The other active versions share the rest in proportion to their present weights.
    #[non_exhaustive]
    SetWeight {
        /// Which version.
        version: VersionName,
        /// Its new weight.
        weight: Weight,
    },
    /// Sets the whole split: the named weights total 100, active versions left out get 0.
    SetWeights(BTreeMap<VersionName, Weight>),
    /// Gives a version 100 and the others 0, and activates it if it was not. This is also the rollback.
    #[non_exhaustive]
    Switch {
        /// Which version.
        version: VersionName,
    },
    /// Puts a version into or out of service. Its weight goes to the others; it returns at 0, or at 100 when alone.
    #[non_exhaustive]
    SetActive {
        /// Which version.
        version: VersionName,
        /// In service or out of it.
        active: bool,
        /// Take even the last active version out, after which the service has none.
        force: bool,
    },
    /// Serves a version from another URL; its weight stays.
    #[non_exhaustive]
    SetUrl {
        /// Which version.
        version: VersionName,
        /// Its new base URL.
        backend: Backend,
    },
    /// [`SetUrl`](Self::SetUrl) and [`SetActive`](Self::SetActive) at once: both or neither.
    #[non_exhaustive]
    Update {
        /// Which version.
        version: VersionName,
        /// Its new base URL.
        backend: Backend,
        /// In service or out of it.
        active: bool,
        /// Take even the last active version out, after which the service has none.
        force: bool,
    },
    /// Forgets an inactive version.
    #[non_exhaustive]
    Remove {
        /// Which version.
        version: VersionName,
    },
    /// Brings back the weights and active flags that an earlier generation left.
    #[non_exhaustive]
    Restore {
        /// The earlier generation.
        generation: u64,
        /// What it left, from the history. Left empty, [`Deployments::apply`](crate::Deployments::apply) looks it up.
        shares: Vec<VersionShare>,
    },
    /// Lets everyone who is pinned to a version be drawn anew, once. Weights and keys stay as they are.
    Redraw,
}

/// A version to add to a service.
///
/// ```
/// use tower_canary::routing::{Change, Registration};
///
/// let canary = Registration::new("v1.1".parse()?, "http://10.0.0.2:8080".parse()?)
///     .with_weight("10".parse()?)
///     .with_health_path("/healthz".parse()?);
/// let change = Change::Register(canary);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// What it is called.
    pub version: VersionName,
    /// Where it is served.
    pub backend: Backend,
    /// The share it takes at once; `None` for the default: 100 for the first active version, 0 for a later one.
    pub weight: Option<Weight>,
    /// Whether it is in service.
    pub active: bool,
    /// Where the service's versions answer health probes; `None` leaves the service's setting as it is.
    pub health_path: Option<HealthPath>,
}

impl Registration {
    /// An active version with the default weight.
    #[must_use]
    pub const fn new(version: VersionName, backend: Backend) -> Self {
        Self { version, backend, weight: None, active: true, health_path: None }
    }

    /// Takes `weight` at once.
    #[must_use]
    pub fn with_weight(self, weight: Weight) -> Self {
        Self { weight: Some(weight), ..self }
    }

    /// Sets where the service's versions answer health probes.
    #[must_use]
    pub fn with_health_path(self, path: HealthPath) -> Self {
        Self { health_path: Some(path), ..self }
    }

    /// Registers the version as active or not. Default: active.
    #[must_use]
    pub fn with_active(self, active: bool) -> Self {
        Self { active, ..self }
    }
}

impl Change {
    /// Registers an active version with the default weight: the short form of [`Change::Register`].
    #[must_use]
    pub const fn register(version: VersionName, backend: Backend) -> Self {
        Self::Register(Registration::new(version, backend))
    }

    /// Gives an active version a weight: see [`Change::SetWeight`].
    #[must_use]
    pub const fn set_weight(version: VersionName, weight: Weight) -> Self {
        Self::SetWeight { version, weight }
    }

    /// Gives the whole split its weights: see [`Change::SetWeights`].
    #[must_use]
    pub fn set_weights(weights: impl IntoIterator<Item = (VersionName, Weight)>) -> Self {
        Self::SetWeights(weights.into_iter().collect())
    }

    /// Gives a version all traffic: see [`Change::Switch`].
    #[must_use]
    pub const fn switch(version: VersionName) -> Self {
        Self::Switch { version }
    }

    /// Puts a version into service: see [`Change::SetActive`].
    #[must_use]
    pub const fn activate(version: VersionName) -> Self {
        Self::SetActive { version, active: true, force: false }
    }

    /// Takes a version out of service. It is refused for the last active version: see [`Change::SetActive`].
    #[must_use]
    pub const fn deactivate(version: VersionName) -> Self {
        Self::SetActive { version, active: false, force: false }
    }

    /// Takes a version out of service, even the last active one: see [`Change::SetActive`].
    #[must_use]
    pub const fn force_deactivate(version: VersionName) -> Self {
        Self::SetActive { version, active: false, force: true }
    }

    /// Serves a version from another URL: see [`Change::SetUrl`].
    #[must_use]
    pub const fn set_url(version: VersionName, backend: Backend) -> Self {
        Self::SetUrl { version, backend }
    }

    /// Removes an inactive version: see [`Change::Remove`].
    #[must_use]
    pub const fn remove(version: VersionName) -> Self {
        Self::Remove { version }
    }

    /// Restores an earlier generation, whose weights [`Deployments::apply`](crate::Deployments::apply) reads from the
    /// history: see [`Change::Restore`].
    #[must_use]
    pub const fn restore(generation: u64) -> Self {
        Self::Restore { generation, shares: Vec::new() }
    }

    /// Restores an earlier generation with the weights that the caller read from the history: see [`Change::Restore`].
    #[must_use]
    pub const fn restore_shares(generation: u64, shares: Vec<VersionShare>) -> Self {
        Self::Restore { generation, shares }
    }

    /// A stable word for the kind of change, as the history keeps it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Register(_) => "register",
            Self::SetWeight { .. } => "set-weight",
            Self::SetWeights(_) => "set-weights",
            Self::Switch { .. } => "switch",
            Self::SetActive { active: true, .. } => "activate",
            Self::SetActive { active: false, .. } => "deactivate",
            Self::SetUrl { .. } => "set-url",
            Self::Update { .. } => "update",
            Self::Remove { .. } => "remove",
            Self::Restore { .. } => "restore",
            Self::Redraw => "redraw",
        }
    }

    /// The version it names; `None` where it is about the whole split.
    #[must_use]
    pub const fn version(&self) -> Option<&VersionName> {
        match self {
            Self::Register(registration) => Some(&registration.version),
            Self::SetWeight { version, .. }
            | Self::Switch { version }
            | Self::SetActive { version, .. }
            | Self::SetUrl { version, .. }
            | Self::Update { version, .. }
            | Self::Remove { version } => Some(version),
            Self::SetWeights(_) | Self::Restore { .. } | Self::Redraw => None,
        }
    }
}

/// What is asked for, in words.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Register(registration) => write!(f, "{kind} {registration}"),
            Self::SetWeight { version, weight } => write!(f, "{kind} {version} to {weight} %"),
            Self::SetWeights(weights) => {
                let weights: Vec<_> =
                    weights.iter().map(|(version, weight)| format!("{version} {weight} %")).collect();
                write!(f, "{kind} {}", weights.join(", "))
            }
            Self::Switch { version } => write!(f, "{kind} to {version}"),
            Self::SetActive { version, force, .. } => write!(f, "{kind} {version}{}", forced(*force)),
            Self::SetUrl { version, backend } => write!(f, "{kind} {version} to {backend}"),
            Self::Update { version, backend, active, force } => {
                let active = if *active { "active" } else { "inactive" };
                write!(f, "{kind} {version} to {backend}, {active}{}", forced(*force))
            }
            Self::Remove { version } => write!(f, "{kind} {version}"),
            Self::Restore { generation, .. } => write!(f, "{kind} generation {generation}"),
            Self::Redraw => f.write_str(kind),
        }
    }
}

const fn forced(force: bool) -> &'static str {
    if force { ", even the last" } else { "" }
}

impl fmt::Display for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.version, self.backend)?;
        if let Some(weight) = self.weight {
            write!(f, " with {weight} %")?;
        }
        f.write_str(if self.active { "" } else { ", inactive" })
    }
}
