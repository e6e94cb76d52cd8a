//! The mirror of a published route.

use std::sync::Arc;

use crate::common::sharded::Shard;
use crate::routing::{Points, Split, Weight};

/// The version that gets copies of requests, and the share of the requests that are copied.
#[derive(Debug)]
pub(crate) struct LiveMirror {
    /// The position of the version in the split.
    pub(super) version: usize,
    /// The share of the requests that can be copied.
    share: Weight,
    /// The draw of the copies. It is not the draw of the requests: points taken from there would be missing in the
    /// sequence that keeps the shares of the versions exact.
    points: Arc<Points>,
}

impl LiveMirror {
    /// Creates the mirror of `split`, or returns `None` if it has none. `points` returns the draw of the copies.
    pub(super) fn new(split: &Split, points: impl FnOnce() -> Arc<Points>) -> Option<Box<Self>> {
        let mirror = split.mirror()?;
        let version = split.versions().iter().position(|version| version.name == mirror.version)?;
        Some(Box::new(Self { version, share: mirror.share, points: points() }))
    }

    /// Takes the next point of the draw, and returns whether its request is copied.
    pub(super) fn draw(&self, shard: Shard) -> bool {
        self.points.next(shard).get() < self.share.hundredths()
    }
}
