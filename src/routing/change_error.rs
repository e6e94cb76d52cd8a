//! Why a change was refused.

use std::fmt;

use super::name::VersionName;

/// Why a [`Change`](super::Change) was refused.
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
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeError {
    /// The service has no such version.
    UnknownVersion(VersionName),
    /// The service has a version of that name.
    DuplicateVersion(VersionName),
    /// An inactive version cannot have a weight.
    VersionInactive(VersionName),
    /// An active version cannot be removed.
    VersionActive(VersionName),
    /// Several other versions could take the rest and all are at 0, so no proportion says which.
    AmbiguousRebalance(VersionName),
    /// The service would be left without an active version.
    LastActiveVersion(VersionName),
    /// The first active version of a service takes all of its traffic.
    FirstVersionNeedsAll(VersionName),
    /// The only active version of a service takes all of its traffic.
    OnlyVersionNeedsAll(VersionName),
    /// The weights of a whole split do not total 100.
    WrongTotal {
        /// What they total, in hundredths of a percent.
        hundredths: u32,
    },
    /// A version that served in the generation to restore is no longer registered.
    RestoreGone {
        /// The generation to restore.
        generation: u64,
        /// The version that is gone.
        version: VersionName,
    },
    /// The generation to restore had no active version.
    RestoreEmpty {
        /// The generation to restore.
        generation: u64,
    },
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVersion(v) => write!(f, "version {v} is not registered: register it first"),
            Self::DuplicateVersion(v) => {
                write!(f, "version {v} is registered already: change it, or take another name")
            }
            Self::VersionInactive(v) => {
                write!(f, "version {v} is inactive and cannot have a weight: activate it or switch to it")
            }
            Self::VersionActive(v) => {
                write!(f, "version {v} is active: set it inactive before it is removed")
            }
            Self::AmbiguousRebalance(v) => write!(
                f,
                "the weight that {v} leaves has several takers, all of them at 0: set the weights of the whole split"
            ),
            Self::LastActiveVersion(v) => write!(
                f,
                "version {v} is the only active one: switch to another version first, or force it to leave the service without any"
            ),
            Self::FirstVersionNeedsAll(v) => write!(
                f,
                "version {v} is the first active one of its service and takes 100: leave its weight out"
            ),
            Self::OnlyVersionNeedsAll(v) => write!(
                f,
                "version {v} is the only active one and has 100: register or activate another first"
            ),
            Self::WrongTotal { hundredths } => {
                write!(f, "the weights total {}: they must total 100", f64::from(*hundredths) / 100.0)
            }
            Self::RestoreGone { generation, version } => {
                write!(
                    f,
                    "version {version} served in generation {generation} and is gone: register it again, or set the weights"
                )
            }
            Self::RestoreEmpty { generation } => {
                write!(f, "generation {generation} had no active version: set versions inactive instead")
            }
        }
    }
}

impl std::error::Error for ChangeError {}
