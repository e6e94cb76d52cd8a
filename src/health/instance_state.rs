//! The states of an instance.

use std::fmt;

/// Whether an instance is in service, as this gateway sees it.
///
/// ```
/// use tower_canary::health::InstanceState;
///
/// assert_eq!(InstanceState::Ejected.as_str(), "ejected");
/// assert!(InstanceState::Up.is_up() && !InstanceState::New.is_up());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InstanceState {
    /// It was not checked yet.
    New,
    /// It gets requests.
    Up,
    /// Its checks failed.
    Down,
    /// Requests to it failed. The ejection ends after a while.
    Ejected,
}

impl InstanceState {
    /// All states, in the order in which the metrics list them.
    pub const ALL: &'static [Self] = &[Self::New, Self::Up, Self::Down, Self::Ejected];

    /// Returns the word for the admin API, metrics and logs: `new`, `up`, `down` or `ejected`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Up => "up",
            Self::Down => "down",
            Self::Ejected => "ejected",
        }
    }

    /// Returns whether the instance is in service.
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Up)
    }
}

/// Writes the word that [`as_str`](InstanceState::as_str) returns.
impl fmt::Display for InstanceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
