//! In place of `optional_rollouts` in a build without rollouts.

use crate::api::RolloutEffect;
use crate::routing::{ServiceName, Split};

#[derive(Clone, Debug, Default)]
pub(super) struct OptionalRollouts(());

#[derive(Debug)]
pub(super) struct AffectedRollout;

impl OptionalRollouts {
    #[expect(clippy::unused_self, reason = "as with rollouts")]
    pub(super) const fn are_mounted(&self) -> bool {
        false
    }

    #[expect(clippy::unused_async, reason = "as with rollouts")]
    pub(super) async fn under_way(&self, _: &ServiceName) -> AffectedRollout {
        AffectedRollout
    }
}

impl AffectedRollout {
    #[expect(clippy::unused_self, reason = "as with rollouts")]
    pub(super) const fn effect_of(&self, _: &Split) -> Option<RolloutEffect> {
        None
    }
}
