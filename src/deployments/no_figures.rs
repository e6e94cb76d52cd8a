//! Without the feature `rollout`, no figures are reported.

use super::publisher::Publisher;

/// Stands in for the composer of figures.
#[derive(Debug, Default)]
pub(super) struct Composer {}

impl Composer {
    /// Returns no figures.
    #[expect(clippy::unused_self, reason = "with rollouts it has a state")]
    pub(super) const fn compose(&self, _: &Publisher) -> Option<String> {
        None
    }
}
