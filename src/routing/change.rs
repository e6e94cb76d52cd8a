//! The commands that change a split.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::health_path::HealthPath;
use super::mirror_share::MirrorShare;
use super::name::VersionName;
use super::registration::Registration;
use super::service_settings::ServiceSettings;
use super::url_change::UrlChange;
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
    /// Replaces the base URLs of a version, adds some or removes some. Its weight stays.
    #[non_exhaustive]
    ChangeUrls {
        /// The name of the version.
        version: VersionName,
        /// How its base URLs change.
        urls: UrlChange,
    },
    /// Does [`ChangeUrls`](Self::ChangeUrls) and [`SetActive`](Self::SetActive) in one generation: both or neither.
    #[non_exhaustive]
    Update {
        /// The name of the version.
        version: VersionName,
        /// How its base URLs change.
        urls: UrlChange,
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
    /// Sets the path that health probes of all versions request.
    #[non_exhaustive]
    SetHealthPath {
        /// The path. `None`: probes request the base URL.
        path: Option<HealthPath>,
    },
    /// Copies a share of the requests to a version, or ends that. Weights and slots stay.
    ///
    /// The version must be active, and the share above 0. The mirror ends when the version is deactivated or removed.
    #[non_exhaustive]
    SetMirror {
        /// The version and the share. `None`: no request is copied.
        mirror: Option<MirrorShare>,
    },
    /// Restores an earlier generation: weights, active flags, base URLs, the health path and the mirror.
    ///
    /// Versions that were registered since then get no traffic. A version that was active then must still exist. One that
    /// was registered again under its name gets the base URLs of the earlier one.
    #[non_exhaustive]
    Restore {
        /// The generation to restore.
        generation: u64,
        /// The shares that the history recorded at that generation. If empty,
        /// [`Deployments::apply`](crate::Deployments::apply) reads them from the history. A share without base URLs,
        /// which an earlier release recorded, leaves the present ones as they are. Of several shares of one version,
        /// the first one counts.
        shares: Vec<VersionShare>,
        /// The settings of the service at that generation. `None`: they stay as they are.
        settings: Option<ServiceSettings>,
        /// When that generation was made. A version that was registered later and whose share has no base URLs is refused,
        /// since it may have been another one. `None`: it is accepted.
        recorded_at: Option<SystemTime>,
    },
    /// Invalidates all pins once, so that pinned users get a version by weight again. Weights and slots stay.
    Redraw,
    /// Removes the service with its versions and its health path. Requests for it are then requests for an unknown service.
    ///
    /// Its history stays. A later registration starts the service again, with another salt and the next generation.
    #[non_exhaustive]
    RemoveService {
        /// Whether to remove it even while versions are active.
        force: bool,
    },
}

impl Change {
    /// Returns the version that the change names, or `None` if it is about the whole split.
    #[must_use]
    pub const fn version(&self) -> Option<&VersionName> {
        match self {
            Self::Register(registration) => Some(&registration.version),
            Self::SetWeight { version, .. }
            | Self::Switch { version }
            | Self::SetActive { version, .. }
            | Self::ChangeUrls { version, .. }
            | Self::Update { version, .. }
            | Self::Remove { version }
            | Self::SetMirror { mirror: Some(MirrorShare { version, .. }) } => Some(version),
            Self::SetWeights(_)
            | Self::SetHealthPath { .. }
            | Self::SetMirror { mirror: None }
            | Self::Restore { .. }
            | Self::Redraw
            | Self::RemoveService { .. } => None,
        }
    }
}
