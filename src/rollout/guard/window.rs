//! The figures of ten seconds.

use std::time::Duration;

use crate::traffic::Figures;

/// The figures of the canary and of all other versions with a weight together, in the same ten seconds.
///
/// A window in which the weights changed is left out: two shares in one window would compare different mixes of users.
///
/// See [`Guard`](super::Guard) for an example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// The figures of the canary.
    pub canary: Figures,
    /// The sum of the figures of the others.
    pub stable: Figures,
}

impl Window {
    /// The length of a window.
    pub const LENGTH: Duration = Duration::from_secs(10);

    /// Creates a window.
    #[must_use]
    pub const fn new(canary: Figures, stable: Figures) -> Self {
        Self { canary, stable }
    }
}
