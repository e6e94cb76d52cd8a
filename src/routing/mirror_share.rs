//! The share of a service's requests that is copied to one of its versions.

use std::fmt;

use super::name::VersionName;
use super::weight::Weight;

/// Which version gets copies of a service's requests, and of how many of them. See [`Change::SetMirror`](super::Change::SetMirror).
///
/// Users never see the responses to copies, and copies change no weight. A layer copies requests if it has a `Mirror`.
///
/// ```
/// use tower_canary::routing::{Change, Split};
///
/// let at = std::time::SystemTime::now();
/// let split = Split::new("auth".parse()?, 7)
///     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
///     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?
///     .apply(&Change::set_mirror("v1.1".parse()?, "10".parse()?), at)?;
/// assert_eq!(split.mirror().map(ToString::to_string), Some("10 % to v1.1".to_owned()));
/// assert!(split.versions()[1].weight.is_zero());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MirrorShare {
    /// The version that gets the copies. In a split it is active.
    pub version: VersionName,
    /// The share of the requests that are copied, above 0. Requests that the version gets anyway are not among them.
    pub share: Weight,
}

impl MirrorShare {
    /// Copies `share` of the requests to `version`.
    #[must_use]
    pub const fn new(version: VersionName, share: Weight) -> Self {
        Self { version, share }
    }
}

impl fmt::Display for MirrorShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} % to {}", self.share, self.version)
    }
}
