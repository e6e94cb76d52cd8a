//! The time until the response head.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::common::sharded::Shard;

/// The unit of time: 256 ns.
const UNIT_BITS: u32 = 8;
/// Each power of two is divided into 16 buckets, so the middle of a bucket is within 1/32 of each time in it.
const SUB_BITS: u32 = 4;
/// The number of buckets for each power of two.
const SUB: u64 = 1 << SUB_BITS;
/// Longer times are counted as the longest: 2^37 ns, 137 seconds.
const MAX_BITS: u32 = 37 - UNIT_BITS;
/// The number of all buckets.
const BUCKETS: usize = ((MAX_BITS - SUB_BITS + 1) << SUB_BITS) as usize;

/// Returns the bucket of `time`. The buckets are log-linear, as in HdrHistogram: below 16 units each unit has its own.
fn bucket(time: Duration) -> usize {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let units = (nanos >> UNIT_BITS).min((1 << MAX_BITS) - 1);
    let octave = (units | (SUB - 1)).ilog2() - (SUB_BITS - 1);
    let bucket = match octave {
        0 => units,
        octave => (u64::from(octave) << SUB_BITS) + (units >> (octave - 1)) - SUB,
    };
    usize::try_from(bucket).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// Returns the shortest time of a bucket and the width of the bucket, in units.
const fn bounds(bucket: u16) -> (u64, u64) {
    let octave = (bucket as u64) >> SUB_BITS;
    let sub = (bucket as u64) % SUB;
    match octave {
        0 => (sub, 1),
        octave => ((sub + SUB) << (octave - 1), 1 << (octave - 1)),
    }
}

/// Returns the middle of a bucket.
fn middle(bucket: u16) -> Duration {
    let (low, width) = bounds(bucket);
    Duration::from_nanos(((2 * low + width) << UNIT_BITS) / 2)
}

/// A boundary between two buckets. Times are counted exactly as below it or not.
#[cfg(feature = "rollout")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge(u16);

#[cfg(feature = "rollout")]
impl Edge {
    /// Returns the first boundary at or above `time`. No time is counted above the last one.
    pub(crate) fn at_least(time: Duration) -> Self {
        let bucket = u16::try_from(bucket(time)).unwrap_or(u16::MAX);
        Self(if Self(bucket).time() < time { bucket.saturating_add(1) } else { bucket })
    }

    /// Returns the shortest time that counts as above the boundary.
    pub(crate) const fn time(self) -> Duration {
        let (low, _) = bounds(self.0);
        Duration::from_nanos(low << UNIT_BITS)
    }
}

/// Counts times on one shard.
#[derive(Debug)]
pub(super) struct Histogram(Box<[AtomicU64; BUCKETS]>);

impl Histogram {
    pub(super) fn new() -> Self {
        Self(Box::new(std::array::from_fn(|_| AtomicU64::new(0))))
    }

    /// Counts one time in its bucket.
    #[inline]
    pub(super) fn record(&self, shard: Shard, time: Duration) {
        if let Some(count) = self.0.get(bucket(time)) {
            // Relaxed, here and below: a count of its own, which orders nothing.
            shard.add(count, 1, Ordering::Relaxed);
        }
    }

    /// Adds the counts of all buckets to a sum.
    pub(super) fn add_to(&self, latencies: &mut Latencies) {
        for (count, bucket) in self.0.iter().zip(0_u16..) {
            latencies.add(bucket, count.load(Ordering::Relaxed));
        }
    }
}

/// The times that requests took from the choice of their version until the response head: a histogram.
///
/// Times from 4 µs to 137 s are known within 3.2 %. Shorter ones are known within 0.3 µs, longer ones count as 137 s.
///
/// ```
/// use tower_canary::traffic::Latencies;
///
/// assert_eq!(Latencies::default().quantile(0.5), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// The buckets that have requests.
    counts: BTreeMap<u16, u64>,
}

impl Latencies {
    /// Returns how many requests got a response head.
    #[must_use]
    pub fn count(&self) -> u64 {
        sum(self.counts.values())
    }

    /// Returns the time within which the share `q` of the requests got their response head, by nearest rank: `0.5` for the
    /// median, `0.99` for p99. A `q` outside of 0 to 1 is clamped. `None` without requests.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        self.quantile_bucket(q).map(middle)
    }

    /// Returns the bucket of the quantile `q`. `None` without requests.
    fn quantile_bucket(&self, q: f64) -> Option<u16> {
        let count = self.count();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank among requests, clamped to their count"
        )]
        let rank = ((q.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut below = 0_u64;
        let reached = self.counts.iter().find(|(_, count)| {
            below = below.saturating_add(**count);
            below >= rank
        });
        reached.map(|(bucket, _)| *bucket)
    }

    /// Iterates over the times that requests took and how many took about as long, shortest first.
    pub fn iter(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        self.counts.iter().map(|(bucket, count)| (middle(*bucket), *count))
    }

    /// Returns the boundary above the quantile `q`: at least the share `q` of the requests were faster. `None` without
    /// requests.
    #[cfg(feature = "rollout")]
    pub(crate) fn quantile_edge(&self, q: f64) -> Option<Edge> {
        self.quantile_bucket(q).map(|bucket| Edge(bucket + 1))
    }

    /// Returns the number of requests that took `edge` or longer.
    #[cfg(feature = "rollout")]
    pub(crate) fn above(&self, edge: Edge) -> u64 {
        sum(self.counts.range(edge.0..).map(|(_, count)| count))
    }

    /// Returns whether no request was counted.
    #[cfg(feature = "rollout")]
    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Iterates over the buckets that have requests, and their counts.
    #[cfg(feature = "rollout")]
    pub(super) fn buckets(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.counts.iter().map(|(bucket, count)| (*bucket, *count))
    }

    /// Adds a count that another gateway reported. Returns `false`, and adds nothing, if this release does not have the
    /// bucket.
    #[cfg(feature = "serde")]
    pub(super) fn try_add(&mut self, bucket: u16, count: u64) -> bool {
        let exists = usize::from(bucket) < BUCKETS;
        if exists {
            self.add(bucket, count);
        }
        exists
    }

    /// Adds to one bucket. Empty buckets are not stored: most latencies of a version share a few.
    pub(super) fn add(&mut self, bucket: u16, count: u64) {
        if count > 0 {
            let own = self.counts.entry(bucket).or_default();
            // Saturating: counts that another gateway reported are as large as it likes.
            *own = own.saturating_add(count);
        }
    }

    /// Adds another distribution.
    pub(crate) fn add_all(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            self.add(*bucket, *count);
        }
    }

    /// Returns the requests from `earlier`, an earlier total of the same histogram, until this total.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let mut later = Self::default();
        for (bucket, count) in &self.counts {
            let before = earlier.counts.get(bucket).copied().unwrap_or(0);
            later.add(*bucket, count.saturating_sub(before));
        }
        later
    }
}

/// Collects times, each with the number of requests that took it.
///
/// ```
/// use std::time::Duration;
/// use tower_canary::traffic::Latencies;
///
/// let times = [(Duration::from_millis(5), 98), (Duration::from_millis(250), 2)];
/// let latencies: Latencies = times.into_iter().collect();
/// assert_eq!(latencies.count(), 100);
/// assert!(latencies.quantile(0.99) > Some(Duration::from_millis(240)));
/// ```
impl FromIterator<(Duration, u64)> for Latencies {
    fn from_iter<I: IntoIterator<Item = (Duration, u64)>>(times: I) -> Self {
        let mut latencies = Self::default();
        for (time, count) in times {
            latencies.add(u16::try_from(bucket(time)).unwrap_or(u16::MAX), count);
        }
        latencies
    }
}

/// Serialized as a list of buckets with their counts: `[[412, 7], [413, 2]]`.
#[cfg(feature = "serde")]
impl serde::Serialize for Latencies {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.counts)
    }
}

/// Buckets that this release does not have are refused.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Latencies {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut latencies = Self::default();
        for (bucket, count) in <Vec<(u16, u64)> as serde::Deserialize>::deserialize(deserializer)? {
            if !latencies.try_add(bucket, count) {
                return Err(serde::de::Error::custom(format_args!("{bucket} is not a bucket of latencies")));
            }
        }
        Ok(latencies)
    }
}

/// Adds counts up to the largest number: those that another gateway reported may be of any size.
fn sum<'a>(counts: impl Iterator<Item = &'a u64>) -> u64 {
    counts.fold(0, |sum, count| sum.saturating_add(*count))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bucket_error_is_at_most_1_in_32(nanos in 4_096..(1_u64 << 37)) {
            let known = middle(u16::try_from(bucket(Duration::from_nanos(nanos))).unwrap()).as_nanos() as f64;
            prop_assert!((known / nanos as f64 - 1.0).abs() <= 1.0 / 32.0 + 1e-9, "{nanos} as {known}");
        }

        #[test]
        fn buckets_are_monotonic(a: u64, b: u64) {
            let (a, b) = (a.min(b), a.max(b));
            prop_assert!(bucket(Duration::from_nanos(a)) <= bucket(Duration::from_nanos(b)));
        }
    }

    // The longest duration falls into the last bucket.
    #[test]
    fn every_bucket_is_reachable() {
        let reached: std::collections::BTreeSet<_> = (0..37)
            .flat_map(|bits| {
                (0..64_u64).map(move |part| bucket(Duration::from_nanos((1 << bits) + ((part << bits) >> 6))))
            })
            .collect();
        assert_eq!(reached.len(), BUCKETS);
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[cfg(feature = "rollout")]
    proptest! {
        #[test]
        fn edges_are_rounded_up_by_1_in_16(nanos in 4_096..(1_u64 << 36)) {
            let time = Duration::from_nanos(nanos);
            let edge = Edge::at_least(time);
            prop_assert!(edge.time() >= time);
            prop_assert!(edge.time().as_nanos() as f64 <= nanos as f64 * (1.0 + 1.0 / 16.0) + 256.0);
            prop_assert_eq!(Edge::at_least(edge.time()), edge);
            let one: Latencies = [(edge.time(), 1)].into_iter().collect();
            prop_assert_eq!(one.above(edge), 1);
            prop_assert!(one.quantile_edge(0.5) > Some(edge));
        }
    }

    #[cfg(feature = "rollout")]
    #[test]
    fn nothing_is_above_the_last_edge() {
        let longest: Latencies =
            [(Duration::MAX, u64::MAX), (Duration::ZERO, u64::MAX)].into_iter().collect();
        assert_eq!(longest.above(Edge::at_least(Duration::from_secs(200))), 0);
        assert_eq!(longest.above(Edge::at_least(Duration::from_secs(130))), u64::MAX);
    }
}
