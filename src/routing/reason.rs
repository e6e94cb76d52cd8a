//! The rules that choose versions.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The rule that chose the version of a request.
///
/// ```
/// use tower_canary::routing::{Change, Reason, Route, Split};
///
/// # let at = std::time::SystemTime::now();
/// # let split = Split::new("auth".parse()?, 7)
/// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?;
/// let route = Route::compile(split);
/// assert_eq!(route.explain(b"alice").reason, Reason::Key);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The gateway could not connect to another instance or version and retried with this one, or another version has no
    /// usable instance.
    Failover,
    /// The request named the version, and the application trusts the client to choose.
    Override,
    /// A cookie set by the layer keeps the user with the version of an earlier request.
    Pin,
    /// The version owns the slot of the request's key.
    Key,
    /// The version's interval has the next point of the draw. Only the weights decide.
    Draw,
    /// The version gets copies of requests: see [`MirrorShare`](super::MirrorShare). Nobody sees their responses, and they are
    /// in no share.
    Mirror,
}

impl Reason {
    /// All rules, in the order in which `/traffic` and the metrics list them.
    pub const ALL: &'static [Self] =
        &[Self::Failover, Self::Override, Self::Pin, Self::Key, Self::Draw, Self::Mirror];

    /// Returns the stable word for the rule in responses, metrics and logs: `failover`, `override`, `pin`, `key`, `draw`
    /// or `mirror`.
    ///
    /// ```
    /// use tower_canary::routing::Reason;
    ///
    /// assert_eq!(Reason::Key.as_str(), "key");
    /// assert_eq!("key".parse(), Ok(Reason::Key));
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Override => "override",
            Self::Pin => "pin",
            Self::Key => "key",
            Self::Draw => "draw",
            Self::Mirror => "mirror",
        }
    }
}

/// Writes the word that [`as_str`](Reason::as_str) returns.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads the word that [`as_str`](Reason::as_str) returns.
impl FromStr for Reason {
    type Err = InvalidReason;

    fn from_str(text: &str) -> Result<Self, InvalidReason> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == text).ok_or(InvalidReason)
    }
}

/// The error for a text that is not a [`Reason`].
///
/// ```
/// let error = "luck".parse::<tower_canary::routing::Reason>().unwrap_err();
/// assert_eq!(error.to_string(), "not a reason: write failover, override, pin, key, draw or mirror");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a reason: write failover, override, pin, key, draw or mirror")]
#[non_exhaustive]
pub struct InvalidReason;
