//! The points of requests, and how they are drawn.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::name::ServiceName;
use super::weight::SLOTS;
use crate::common::hash::{fnv1a, mix};
use crate::common::sharded::{Shard, Sharded};

/// The golden ratio as a fraction of 2^64. As the step of a Weyl sequence it spreads points as evenly as possible.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Marks a seed as the seed of a salt: the text `key salt` in ASCII.
const SALT_DOMAIN: u64 = u64::from_be_bytes(*b"key salt");

/// Marks a seed as the seed of a draw of copies: the text `mirrored` in ASCII.
const COPY_DOMAIN: u64 = u64::from_be_bytes(*b"mirrored");

/// How the points of requests are drawn.
///
/// | draw | canary in any 1,000 requests at 90/10 | repeatable | cost |
/// | --- | --- | --- | --- |
/// | [`Exact`](Draw::Exact) | 100, off by at most 2 for each serving thread | no | lowest |
/// | [`Seeded`](Draw::Seeded) | 100, off by at most 1 | yes | one counter shared by all threads |
/// | [`Random`](Draw::Random) | 72 to 128, with a probability of 99.7 % | no | one random number |
///
/// The first two step through a golden-ratio Weyl sequence, whose points are evenly spread: each version gets as many
/// requests as with smooth round robin, off by at most two. Unlike with round robin, a client that sends every tenth
/// request does not always get the same version.
///
/// ```
/// use tower_canary::{Draw, RoutingHandle};
///
/// let reproducible = RoutingHandle::with_draw(Draw::Seeded(7));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Draw {
    /// One evenly spread sequence for each serving thread. The sequences start at random, at equal distances.
    #[default]
    Exact,
    /// One evenly spread sequence for all threads. It starts from the seed and the name of the service, so the same
    /// requests in the same order get the same versions. Use it for tests, and where counts must be exact across
    /// threads.
    ///
    /// With a seeded draw everything repeats, keys too: a service created under it gets the salt that
    /// [`Draw::salt`] derives, so a named user has the same slot in each run.
    Seeded(u64),
    /// An independent random point for each request.
    Random,
}

impl Draw {
    /// Returns the salt for the keys of a new service, or `None` if the draw does not repeat and the salt is to be random.
    ///
    /// A seeded draw derives it from the seed and the name of the service, in the same way in every release.
    ///
    /// ```
    /// use tower_canary::Draw;
    ///
    /// let service = "auth".parse()?;
    /// assert_eq!(Draw::Seeded(7).salt(&service), Draw::Seeded(7).salt(&service));
    /// assert_ne!(Draw::Seeded(7).salt(&service), Draw::Seeded(8).salt(&service));
    /// assert_eq!(Draw::Exact.salt(&service), None);
    /// # Ok::<(), tower_canary::routing::InvalidName>(())
    /// ```
    #[must_use]
    pub fn salt(&self, service: &ServiceName) -> Option<u64> {
        match self {
            // The domain separates the salt from the start of the draw, which has the same seed and name: slots of keys
            // and drawn points must not be correlated.
            Self::Seeded(seed) => Some(mix(mix(seed ^ SALT_DOMAIN) ^ fnv1a(service.as_str()))),
            Self::Exact | Self::Random => None,
        }
    }
}

/// One of 10,000 equal parts of a service's traffic, 0 to 9,999: a point of the draw, or the slot of a key.
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
    /// Creates a point, or returns `None` if `value` is 10,000 or more.
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        if value < SLOTS { Some(Self(value)) } else { None }
    }

    /// Returns the number of the point, 0 to 9,999.
    ///
    /// A version with a weight of 12.5 percent has 1,250 of these numbers.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Returns the point `n` of the evenly spread sequence that starts from `seed`.
    pub(crate) const fn nth(seed: u64, n: u64) -> Self {
        Self::from_hash(seed.wrapping_add(n.wrapping_mul(GOLDEN)))
    }

    /// Scales a number from 0..2^64 to 0..10,000, rounding down. Evenly spread numbers give evenly spread points.
    #[expect(clippy::cast_possible_truncation, reason = "the high half of a product below 10,000 * 2^64")]
    pub(super) const fn from_hash(hash: u64) -> Self {
        Self(((hash as u128 * SLOTS as u128) >> 64) as u16)
    }
}

/// Writes the number of the point.
impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The source of the points of one service. It outlives the routes of the service, so that a published change does not
/// restart the sequence.
#[derive(Debug)]
pub(crate) enum Points {
    /// The state of one sequence per shard.
    Exact(Sharded<AtomicU64>),
    /// The state of the only sequence.
    Seeded(AtomicU64),
    /// No state.
    Random,
}

impl Points {
    /// Creates the points of one service. A seeded draw starts at a place of its own for each name, so two
    /// services do not draw in step.
    pub(crate) fn new(draw: Draw, service: &ServiceName) -> Self {
        match draw {
            Draw::Exact => Self::Exact(random_starts()),
            Draw::Seeded(seed) => Self::Seeded(AtomicU64::new(seeded_start(seed, service))),
            Draw::Random => Self::Random,
        }
    }

    /// Creates the points that decide which requests are copied. A seeded sequence starts at another place than the
    /// sequence that [`new`](Self::new) creates for the requests themselves.
    pub(crate) fn for_copies(draw: Draw, service: &ServiceName) -> Self {
        match draw {
            Draw::Seeded(seed) => Self::new(Draw::Seeded(mix(seed ^ COPY_DOMAIN)), service),
            Draw::Exact | Draw::Random => Self::new(draw, service),
        }
    }

    /// Returns the next point.
    #[inline]
    pub(crate) fn next(&self, shard: Shard) -> Point {
        // Relaxed: only the atomicity of the step matters, nothing else is read through the state. Threads that share a state
        // get different points and lose none.
        Point::from_hash(match self {
            Self::Exact(states) => shard.add(states.at(shard), GOLDEN, Ordering::Relaxed),
            Self::Seeded(state) => state.fetch_add(GOLDEN, Ordering::Relaxed),
            Self::Random => rand::random(),
        })
    }
}

/// Creates the states of one golden-ratio sequence per shard: at equal distances from a random start, so that the
/// points of all shards together are evenly spread as well.
pub(crate) fn random_starts() -> Sharded<AtomicU64> {
    let start: u64 = rand::random();
    Sharded::new(|shard, count| {
        let distance = u64::MAX / count as u64;
        AtomicU64::new(start.wrapping_add(distance.wrapping_mul(shard as u64)))
    })
}

/// Returns the start of a seeded sequence. Services with the same seed start at different points.
fn seeded_start(seed: u64, service: &ServiceName) -> u64 {
    mix(seed ^ fnv1a(service.as_str()))
}
