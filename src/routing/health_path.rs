//! Where versions answer health probes.

use std::fmt;
use std::str::FromStr;

use super::backend::has_dot_segment;

/// Where the versions of a service answer health probes: a path below the base URL, such as `/healthz`.
///
/// It starts with one `/`, is at most 256 bytes long, and holds no fragment or dot segment.
///
/// ```
/// use tower_canary::routing::HealthPath;
///
/// assert_eq!("/healthz?deep=1".parse::<HealthPath>()?.as_str(), "/healthz?deep=1");
/// assert!("http://169.254.169.254/".parse::<HealthPath>().is_err());
/// # Ok::<(), tower_canary::routing::InvalidHealthPath>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthPath(Box<str>);

impl HealthPath {
    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HealthPath {
    type Err = InvalidHealthPath;

    fn from_str(text: &str) -> Result<Self, InvalidHealthPath> {
        let clean = text.len() <= 256 && text.starts_with('/') && !text.starts_with("//");
        let dots = || text.split('?').next().is_some_and(has_dot_segment);
        let parses = || text.parse::<http::uri::PathAndQuery>().is_ok_and(|path| path.as_str() == text);
        if clean && !dots() && parses() { Ok(Self(text.into())) } else { Err(InvalidHealthPath) }
    }
}

/// A text that is not a [`HealthPath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidHealthPath;

impl fmt::Display for InvalidHealthPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a health path: write a path of at most 256 bytes such as '/healthz', without '#', '//' in front or '..'")
    }
}

impl std::error::Error for InvalidHealthPath {}
