//! The commands that change a split.

use std::collections::BTreeMap;
use std::fmt;

use super::backend::Backend;
use super::name::VersionName;
use super::registration::Registration;
use super::version::VersionShare;
use super::weight::Weight;

/// A command that changes a [`Split`](super::Split). [`Split::apply`](super::Split::apply) makes the change or refuses it.
///
/// Each variant has a constructor, such as [`Change::switch`]. A change that would leave the split as it is succeeds and
/// does not count as a generation.
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
    /// Adds a version. The first active version of a service gets 100 percent. A later one gets 0, or the weight that it
    /// names.
    Register(Registration),
    /// Sets the weight of an active version. The other active versions share the rest in proportion to their weights.
    #[non_exhaustive]
    SetWeight {
        /// The name of the version.
        version: VersionName,
        /// Its new weight.
        weight: Weight,
    },
    /// Sets the weights of all versions. The weights total 100 percent; an active version that is not named gets 0.
    SetWeights(BTreeMap<VersionName, Weight>),
    /// Gives one version 100 percent and all others 0. Activates the version if it is inactive. This is also the
    /// rollback.
    #[non_exhaustive]
    Switch {
        /// The name of the version.
        version: VersionName,
    },
    /// Activates or deactivates a version. The other active versions share the weight of a deactivated one. An activated
    /// one gets 0, or 100 percent if no other version is active.
    #[non_exhaustive]
    SetActive {
        /// The name of the version.
        version: VersionName,
        /// Whether the version is active afterwards.
        active: bool,
        /// Whether to deactivate even the last active version. The service then serves no request.
        force: bool,
    },
    /// Replaces the base URLs of a version by one. Its weight stays.
    #[non_exhaustive]
    SetUrl {
        /// The name of the version.
        version: VersionName,
        /// Its new base URL.
        backend: Backend,
    },
    /// Does [`SetUrl`](Self::SetUrl) and [`SetActive`](Self::SetActive) in one generation: both or neither.
    #[non_exhaustive]
    Update {
        /// The name of the version.
        version: VersionName,
        /// Its new base URL.
        backend: Backend,
        /// Whether the version is active afterwards.
        active: bool,
        /// Whether to deactivate even the last active version. The service then serves no request. Only the admin API and
        /// deserialization set it.
        force: bool,
    },
    /// Removes an inactive version.
    #[non_exhaustive]
    Remove {
        /// The name of the version.
        version: VersionName,
    },
    /// Restores the weights and active flags of an earlier generation. Base URLs stay.
    #[non_exhaustive]
    Restore {
        /// The generation to restore.
        generation: u64,
        /// The shares that the history recorded at that generation. If empty,
        /// [`Deployments::apply`](crate::Deployments::apply) reads them from the history.
        shares: Vec<VersionShare>,
    },
    /// Invalidates all pins once, so that pinned users get a version by weight again. Weights and slots stay.
    Redraw,
}

impl Change {
    /// Registers an active version with the default weight. Use [`Change::Register`] for other options.
    ///
    /// ```
    /// use tower_canary::routing::Change;
    ///
    /// let change = Change::register("v1.1".parse()?, "http://10.0.0.2:8080".parse()?);
    /// assert_eq!(change.to_string(), "register v1.1 at http://10.0.0.2:8080");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn register(version: VersionName, backend: Backend) -> Self {
        Self::Register(Registration::new(version, backend))
    }

    /// Sets the weight of an active version. See [`Change::SetWeight`].
    ///
    /// ```
    /// use tower_canary::Weight;
    /// use tower_canary::routing::Change;
    ///
    /// let change = Change::set_weight("v1.1".parse()?, Weight::from_percent(10));
    /// assert_eq!(change.to_string(), "set-weight v1.1 to 10 %");
    /// # Ok::<(), tower_canary::routing::InvalidName>(())
    /// ```
    #[must_use]
    pub const fn set_weight(version: VersionName, weight: Weight) -> Self {
        Self::SetWeight { version, weight }
    }

    /// Sets the weights of all versions. See [`Change::SetWeights`].
    ///
    /// ```
    /// use tower_canary::routing::Change;
    ///
    /// let change = Change::set_weights([("v1.0".parse()?, "70".parse()?), ("v1.1".parse()?, "30".parse()?)]);
    /// assert_eq!(change.to_string(), "set-weights v1.0 70 %, v1.1 30 %");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn set_weights(weights: impl IntoIterator<Item = (VersionName, Weight)>) -> Self {
        Self::SetWeights(weights.into_iter().collect())
    }

    /// Gives a version all traffic. See [`Change::Switch`], and [`Change`] for an example.
    #[must_use]
    pub const fn switch(version: VersionName) -> Self {
        Self::Switch { version }
    }

    /// Activates a version. See [`Change::SetActive`].
    #[must_use]
    pub const fn activate(version: VersionName) -> Self {
        Self::SetActive { version, active: true, force: false }
    }

    /// Deactivates a version, unless it is the last active one. See [`Change::SetActive`].
    #[must_use]
    pub const fn deactivate(version: VersionName) -> Self {
        Self::SetActive { version, active: false, force: false }
    }

    /// Deactivates a version, even the last active one. See [`Change::SetActive`].
    ///
    /// ```
    /// use tower_canary::routing::{Change, ChangeError, Split};
    ///
    /// let at = std::time::SystemTime::now();
    /// let split = Split::new("auth".parse()?, 7)
    ///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?;
    /// let refused = split.apply(&Change::deactivate("v1.0".parse()?), at).unwrap_err();
    /// assert_eq!(refused, ChangeError::LastActiveVersion("v1.0".parse()?));
    /// let without_any = split.apply(&Change::force_deactivate("v1.0".parse()?), at)?;
    /// assert!(!without_any.has_active());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn force_deactivate(version: VersionName) -> Self {
        Self::SetActive { version, active: false, force: true }
    }

    /// Replaces the base URLs of a version by one. See [`Change::SetUrl`].
    #[must_use]
    pub const fn set_url(version: VersionName, backend: Backend) -> Self {
        Self::SetUrl { version, backend }
    }

    /// Replaces the base URLs of a version by one, and activates or deactivates it, unless it is the last active one. See
    /// [`Change::Update`].
    ///
    /// ```
    /// use tower_canary::routing::Change;
    ///
    /// let change = Change::update("v1.1".parse()?, "http://10.0.0.9".parse()?, false);
    /// assert_eq!(change.to_string(), "update v1.1 to http://10.0.0.9, inactive");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn update(version: VersionName, backend: Backend, active: bool) -> Self {
        Self::Update { version, backend, active, force: false }
    }

    /// Removes an inactive version. See [`Change::Remove`].
    #[must_use]
    pub const fn remove(version: VersionName) -> Self {
        Self::Remove { version }
    }

    /// Restores an earlier generation. [`Deployments::apply`](crate::Deployments::apply) reads its shares from the
    /// history. See [`Change::Restore`].
    #[must_use]
    pub const fn restore(generation: u64) -> Self {
        Self::Restore { generation, shares: Vec::new() }
    }

    /// Restores an earlier generation, whose shares the caller read from the history. See [`Change::Restore`].
    ///
    /// ```
    /// use tower_canary::routing::{Change, Split};
    ///
    /// let at = std::time::SystemTime::now();
    /// let before = Split::new("auth".parse()?, 7)
    ///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
    ///     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?;
    /// let switched = before.apply(&Change::switch("v1.1".parse()?), at)?;
    /// let restore = Change::restore_shares(before.generation(), before.shares());
    /// assert_eq!(switched.apply(&restore, at)?.shares(), before.shares());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn restore_shares(generation: u64, shares: Vec<VersionShare>) -> Self {
        Self::Restore { generation, shares }
    }

    /// Returns a stable word for the kind of change, as the history records it: `register`, `set-weight`, `set-weights`,
    /// `switch`, `activate`, `deactivate`, `set-url`, `update`, `remove`, `restore` or `redraw`.
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

    /// Returns the version that the change names, or `None` if it is about the whole split.
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

/// Describes the change in one line for a log.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Register(registration) => write!(f, "{kind} {registration}"),
            Self::SetWeight { version, weight } => write!(f, "{kind} {version} to {weight} %"),
            Self::SetWeights(weights) => write_weights(f, kind, weights),
            Self::Switch { version } => write!(f, "{kind} to {version}"),
            Self::SetActive { version, force, .. } => write!(f, "{kind} {version}{}", describe_force(*force)),
            Self::SetUrl { version, backend } => write!(f, "{kind} {version} to {backend}"),
            Self::Update { version, backend, active, force } => {
                let active = if *active { "active" } else { "inactive" };
                write!(f, "{kind} {version} to {backend}, {active}{}", describe_force(*force))
            }
            Self::Remove { version } => write!(f, "{kind} {version}"),
            Self::Restore { generation, .. } => write!(f, "{kind} generation {generation}"),
            Self::Redraw => f.write_str(kind),
        }
    }
}

fn write_weights(
    f: &mut fmt::Formatter<'_>,
    kind: &str,
    weights: &BTreeMap<VersionName, Weight>,
) -> fmt::Result {
    f.write_str(kind)?;
    for (i, (version, weight)) in weights.iter().enumerate() {
        let separator = if i == 0 { " " } else { ", " };
        write!(f, "{separator}{version} {weight} %")?;
    }
    Ok(())
}

const fn describe_force(force: bool) -> &'static str {
    if force { ", even the last" } else { "" }
}
