//! Where versions answer health probes.

use std::fmt;
use std::str::FromStr;

use http::uri::PathAndQuery;
use thiserror::Error;

use super::path::{has_dot_segment, segment_pattern};
use super::text::impl_text_conversions;

/// The maximum length of a health path in bytes.
const MAX_LEN: usize = 256;

/// The path below a version's base URL that health probes request, such as `/healthz`. A query is allowed.
///
/// It starts with exactly one `/`, has at most 256 bytes, and has no fragment and no dot segment. So a probe cannot
/// leave the base URL of the version.
///
/// ```
/// use tower_canary::routing::HealthPath;
///
/// assert_eq!("/healthz?deep=1".parse::<HealthPath>()?.as_str(), "/healthz?deep=1");
/// assert!("http://169.254.169.254/".parse::<HealthPath>().is_err());
/// # Ok::<(), tower_canary::routing::InvalidHealthPath>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HealthPath(Box<str>);

impl HealthPath {
    /// The maximum length of a health path in bytes.
    pub const MAX_LEN: usize = MAX_LEN;

    /// The form of the usual health paths as a regular expression of JSON Schema: every text of this form and length is
    /// a health path. A few unusual ones have another form, so a client should not refuse them by itself.
    pub const PATTERN: &'static str = concat!(
        "^/(?:",
        segment_pattern!(),
        "(?:/",
        segment_pattern!(),
        r")*/?)?(?:\?(?:[A-Za-z0-9_~!$&'()*+,=:@.;/?-]|%[0-9A-Fa-f][0-9A-Fa-f])*)?$"
    );

    /// Returns the path, with its query, as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl_text_conversions!(HealthPath, InvalidHealthPath);

impl FromStr for HealthPath {
    type Err = InvalidHealthPath;

    fn from_str(text: &str) -> Result<Self, InvalidHealthPath> {
        let starts_with_one_slash = text.starts_with('/') && !text.starts_with("//");
        let path = text.split_once('?').map_or(text, |(path, _query)| path);
        if text.len() <= MAX_LEN && starts_with_one_slash && !has_dot_segment(path) && is_path_and_query(text)
        {
            Ok(Self(text.into()))
        } else {
            Err(InvalidHealthPath)
        }
    }
}

/// Returns whether `text` is a path with an optional query, to its last byte: the parser drops a fragment silently.
fn is_path_and_query(text: &str) -> bool {
    text.parse::<PathAndQuery>().is_ok_and(|parsed| parsed.as_str() == text)
}

/// The error for a text that is not a [`HealthPath`].
///
/// ```
/// let error = "healthz".parse::<tower_canary::routing::HealthPath>().unwrap_err();
/// assert!(error.to_string().starts_with("not a health path: write a path of at most 256 bytes such as '/healthz'"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "not a health path: write a path of at most {MAX_LEN} bytes such as '/healthz', \
     without '#', '//' in front or '..'"
)]
#[non_exhaustive]
pub struct InvalidHealthPath;
