//! The time until the response head.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The unit of time: 256 ns.
const UNIT_BITS: u32 = 8;
/// Each power of two is divided into 16 buckets, so the middle of a bucket is within 1/32 of each time in it.
const SUB_BITS: u32 = 4;
const SUB: u64 = 1 << SUB_BITS;
/// Longer times are counted as the longest: 2^37 ns, 137 seconds.
const MAX_BITS: u32 = 37 - UNIT_BITS;
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

/// Returns the middle of a bucket.
fn middle(bucket: u16) -> Duration {
    let octave = u64::from(bucket) >> SUB_BITS;
    let sub = u64::from(bucket) % SUB;
    let (low, width) = match octave {
        0 => (sub, 1),
        octave => ((sub + SUB) << (octave - 1), 1 << (octave - 1)),
    };
    Duration::from_nanos(((2 * low + width) << UNIT_BITS) / 2)
}

/// Counts times on any thread.
#[derive(Debug)]
pub(super) struct Histogram(Box<[AtomicU64]>);

impl Histogram {
    pub(super) fn new() -> Self {
        Self((0..BUCKETS).map(|_| AtomicU64::new(0)).collect())
    }

    #[inline]
    pub(super) fn record(&self, time: Duration) {
        if let Some(count) = self.0.get(bucket(time)) {
            // Relaxed, here and below: a count of its own, which orders nothing.
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn add_to(&self, latencies: &mut Latencies) {
        for (bucket, count) in (0..).zip(&self.0) {
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
        self.counts.values().sum()
    }

    /// Returns the time within which the share `q` of the requests got their response head, by nearest rank: `0.5` for the
    /// median, `0.99` for p99. A `q` outside of 0 to 1 is clamped. `None` without requests.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let count = self.count();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank among requests, clamped to their count"
        )]
        let rank = ((q.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut below = 0;
        let reached = self.counts.iter().find(|(_, count)| {
            below += **count;
            below >= rank
        });
        reached.map(|(bucket, _)| middle(*bucket))
    }

    /// Iterates over the times that requests took and how many took about as long, shortest first.
    pub fn iter(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        self.counts.iter().map(|(bucket, count)| (middle(*bucket), *count))
    }

    pub(super) fn add(&mut self, bucket: u16, count: u64) {
        if count > 0 {
            *self.counts.entry(bucket).or_default() += count;
        }
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            self.add(*bucket, *count);
        }
    }

    /// Returns the requests after `earlier`, an earlier total of the same histogram.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let mut later = Self::default();
        for (bucket, count) in &self.counts {
            let before = earlier.counts.get(bucket).copied().unwrap_or(0);
            later.add(*bucket, count.saturating_sub(before));
        }
        later
    }
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
}
