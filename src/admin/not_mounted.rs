//! In place of `mounted` in a build without rollouts.

use crate::api::RolloutEffect;
use crate::routing::{ServiceName, Split};

#[derive(Clone, Debug, Default)]
pub(super) struct Mounted(());

#[derive(Debug)]
pub(super) struct Before;

impl Mounted {
    #[expect(clippy::unused_self, reason = "as with rollouts")]
    pub(super) const fn is_there(&self) -> bool {
        false
    }

    #[expect(clippy::unused_async, reason = "as with rollouts")]
    pub(super) async fn before(&self, _: &ServiceName) -> Before {
        Before
    }
}

impl Before {
    #[expect(clippy::unused_self, reason = "as with rollouts")]
    pub(super) const fn effect(&self, _: &Split) -> Option<RolloutEffect> {
        None
    }
}
