//! The mirror of a published route.

use std::sync::Arc;

use crate::common::sharded::Shard;
use crate::routing::{Points, Split, Weight};

/// Which version gets copies of requests, and of which.
#[derive(Debug)]
pub(crate) struct LiveMirror {
    /// The position of the version in the split.
    pub(super) version: usize,
    share: Weight,
    /// The draw of the copies. It is not the draw of the requests: points taken from there would make the shares of the
    /// versions less even.
    points: Arc<Points>,
}

impl LiveMirror {
    /// Creates the mirror of `split`, if it has one. `points` returns the draw of the copies.
    pub(super) fn new(split: &Split, points: impl FnOnce() -> Arc<Points>) -> Option<Box<Self>> {
        let mirror = split.mirror()?;
        let version = split.versions().iter().position(|version| version.name == mirror.version)?;
        Some(Box::new(Self { version, share: mirror.share, points: points() }))
    }

    /// Returns whether the next request is copied.
    pub(super) fn draw(&self, shard: Shard) -> bool {
        self.points.next(shard).get() < self.share.hundredths()
    }
}
