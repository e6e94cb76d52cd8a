//! Why the rules refuse a change.

use thiserror::Error;

use super::instances::InvalidInstances;
use super::name::{ServiceName, VersionName};

/// The reason why the rules refuse a [`Change`](super::Change). The message says what to do instead.
///
/// ```
/// use tower_canary::routing::{Change, ChangeError, Split};
///
/// let split = Split::new("auth".parse()?, 7);
/// let error = split.apply(&Change::switch("v9".parse()?), std::time::SystemTime::now()).unwrap_err();
/// assert_eq!(error, ChangeError::UnknownVersion("v9".parse()?));
/// assert_eq!(error.to_string(), "version v9 is not registered: register it first");
/// # Ok::<(), tower_canary::routing::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The service has no version of this name.
    #[error("version {0} is not registered: register it first")]
    UnknownVersion(VersionName),
    /// The service has a version of this name already.
    #[error("version {0} is registered already: change it, or take another name")]
    DuplicateVersion(VersionName),
    /// The change gives a weight to an inactive version.
    #[error("version {0} is inactive and cannot have a weight: activate it or switch to it")]
    VersionInactive(VersionName),
    /// The change copies requests to an inactive version.
    #[error("version {0} is inactive and cannot get copies of requests: activate it first")]
    MirrorInactive(VersionName),
    /// The change copies 0 percent of the requests.
    #[error("a mirror needs a percentage above 0: give one, or remove the mirror")]
    MirrorWithoutShare,
    /// The change removes an active version.
    #[error("version {0} is active: set it inactive before it is removed")]
    VersionActive(VersionName),
    /// Several other versions could take the rest of the traffic. All of them are at 0, so they have no proportion.
    #[error(
        "the traffic that {0} gives up could go to several versions at 0: set the weights of the whole split"
    )]
    AmbiguousRebalance(VersionName),
    /// The change would leave the service without an active version.
    #[error(
        "version {0} is the only active one: switch to another version first, \
         or force it to leave the service without any"
    )]
    LastActiveVersion(VersionName),
    /// The change removes every base URL of a version.
    #[error("version {0} would have no base URL: add another first, or remove the version")]
    LastInstance(VersionName),
    /// The change adds more base URLs than a version can have.
    #[error(transparent)]
    Instances(#[from] InvalidInstances),
    /// The first active version of a service takes all of its traffic, and the change names another weight.
    #[error("version {0} is the first active one of its service and takes 100: leave its weight out")]
    FirstVersionNeedsAll(VersionName),
    /// The only active version of a service has all of its traffic, and the change names another weight.
    #[error("version {0} is the only active one and has 100: register or activate another first")]
    OnlyVersionNeedsAll(VersionName),
    /// The weights of a whole split do not total 100 percent.
    #[error("the weights total {}: they must total 100", f64::from(*.hundredths) / 100.0)]
    WrongTotal {
        /// Their total in hundredths of a percent.
        hundredths: u32,
    },
    /// A version that was active in the generation to restore is no longer registered.
    #[error(
        "version {version} served in generation {generation} and is gone: register it again, or set the weights"
    )]
    RestoreGone {
        /// The generation to restore.
        generation: u64,
        /// The version that is missing.
        version: VersionName,
    },
    /// Versions of the generation to restore were registered again afterwards, and the history does not have the base URLs
    /// that they had then: an earlier release recorded it.
    #[error(
        "generation {generation} was recorded without base URLs, and these versions were registered again since then: \
         {}; set the weights instead",
        names(versions)
    )]
    RestoreReplaced {
        /// The generation to restore.
        generation: u64,
        /// The versions that may have other base URLs now.
        versions: Vec<VersionName>,
    },
    /// The generation to restore had no active version.
    #[error("generation {generation} had no active version: set versions inactive instead")]
    RestoreEmpty {
        /// The generation to restore.
        generation: u64,
    },
    /// The change removes a service that has active versions.
    #[error(
        "the service has active versions ({}): set them inactive before it is removed, or force the removal",
        names(.0)
    )]
    ServiceActive(Vec<VersionName>),
    /// The service was removed, and the change does not register a version.
    #[error("service {0} was removed: register a version of it first")]
    ServiceRemoved(ServiceName),
    /// The generation or the pin epoch of the split is the largest number, so it cannot count one more change.
    #[error("the generation or the pin epoch of the split is the largest number: correct it in the store")]
    TooManyChanges,
}

/// Lists versions for a message.
fn names(versions: &[VersionName]) -> String {
    versions.iter().map(VersionName::as_str).collect::<Vec<_>>().join(", ")
}
