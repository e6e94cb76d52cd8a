//! Where a request's point comes from.

use std::sync::atomic::{AtomicU64, Ordering};

use super::name::ServiceName;
use super::weight::SLOTS;
use crate::common::hash::{fnv1a, mix};
use crate::common::sharded::{Shard, Sharded};

/// The golden ratio in 64 bits: the step of a Weyl sequence whose points are spread as evenly as any can be.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// How the points of requests are drawn.
///
/// | draw | any 1,000 requests at 90/10 | same choices again | cost |
/// | --- | --- | --- | --- |
/// | [`Exact`](Draw::Exact) | off by 2 at most for each thread that serves | no | least |
/// | [`Seeded`](Draw::Seeded) | within 1 of 100 | yes | one counter shared by all threads |
/// | [`Random`](Draw::Random) | 72 to 128, 997 times in 1,000 | no | a random number |
///
/// The first two step through a golden-ratio Weyl sequence. It is as even as smooth round robin to within two
/// requests, and unlike round robin a client that sends every tenth request does not always meet the same version.
///
/// ```
/// use tower_canary::{Draw, RoutingHandle};
///
/// let reproducible = RoutingHandle::with_draw(Draw::Seeded(7));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Draw {
    /// Even to within two requests: a sequence per thread, each from a random start.
    #[default]
    Exact,
    /// One sequence for all threads, started from the seed and the service's name: the same requests in the same
    /// order get the same versions. For tests, and where the counts must be exact across threads too.
    Seeded(u64),
    /// Each request independent of the others.
    Random,
}

/// The place of a request in a service's traffic: 0 to 9,999.
///
/// ```
/// use tower_canary::routing::Point;
///
/// assert!(Point::new(9_999).is_some());
/// assert!(Point::new(10_000).is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point(u16);

impl Point {
    /// The point `value`, if it is below 10,000.
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        if value < SLOTS { Some(Self(value)) } else { None }
    }

    /// 0 to 9,999.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The point `n` of the even sequence that starts from `seed`.
    pub(crate) const fn nth(seed: u64, n: u64) -> Self {
        Self::of(seed.wrapping_add(n.wrapping_mul(GOLDEN)))
    }

    /// The part of the whole that `state` is of 2^64.
    #[expect(clippy::cast_possible_truncation, reason = "the high half of a product below 10,000 * 2^64")]
    pub(super) const fn of(state: u64) -> Self {
        Self(((state as u128 * SLOTS as u128) >> 64) as u16)
    }
}

/// Where one service's requests get their points: kept while its routes come and go.
#[derive(Debug)]
pub(crate) enum Points {
    Exact(Sharded<AtomicU64>),
    Seeded(AtomicU64),
    Random,
}

impl Points {
    pub(crate) fn new(draw: Draw, service: &ServiceName) -> Self {
        match draw {
            Draw::Exact => {
                let start: u64 = rand::random();
                Self::Exact(Sharded::new(|i, count| {
                    AtomicU64::new(start.wrapping_add((u64::MAX / count as u64).wrapping_mul(i as u64)))
                }))
            }
            Draw::Seeded(seed) => Self::Seeded(AtomicU64::new(start(seed, service))),
            Draw::Random => Self::Random,
        }
    }

    // A shard has one thread at most times, so its counter is not contended; when it has two, none loses a step.
    #[inline]
    pub(crate) fn next(&self, shard: Shard) -> Point {
        match self {
            Self::Exact(shards) => step(shards.at(shard)),
            Self::Seeded(state) => step(state),
            Self::Random => Point::of(rand::random()),
        }
    }
}

#[inline]
fn step(state: &AtomicU64) -> Point {
    Point::of(state.fetch_add(GOLDEN, Ordering::Relaxed))
}

/// Services of one seed start apart.
fn start(seed: u64, service: &ServiceName) -> u64 {
    mix(seed ^ fnv1a(service.as_str()))
}
