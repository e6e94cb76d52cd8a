//! The numbers behind one choice.

/// The golden ratio as a fraction of 2^64: the step of a Weyl sequence, which spreads its points as evenly as possible.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// One element of a sequence of choices. Its bits decide everything that is left to chance in one choice.
///
/// | bits | decide |
/// | --- | --- |
/// | 32 to 63, from the top | the first instance |
/// | 0 to 31, from the top | the second instance |
/// | 32 to 34 | whether failures are ignored |
/// | 40 to 47 | whether an instance that starts slowly keeps the request |
///
/// The first instance is decided by the highest of its bits, at most 6 for 64 instances. So no two decisions share bits
/// that matter to both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn(u64);

impl Turn {
    /// Returns the turn with these bits.
    #[inline]
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the state, for storage between two choices.
    #[inline]
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// Returns the turn after this one.
    #[inline]
    pub(crate) const fn next(self) -> Self {
        Self(self.0.wrapping_add(STEP))
    }

    /// Returns two different numbers below `count`, which must be at least 2. The first numbers of consecutive turns
    /// are evenly spread: each comes up as often as with round robin, off by at most two.
    #[inline]
    pub(super) const fn two_below(self, count: u32) -> (u32, u32) {
        let first = scale(self.0 >> 32, count);
        let second = scale(self.0 & 0xFFFF_FFFF, count.saturating_sub(1));
        (first, if second < first { second } else { second + 1 })
    }

    /// Returns whether this choice ignores failures in a row: one of 8 does.
    #[inline]
    pub(super) const fn ignores_failures(self) -> bool {
        (self.0 >> 32) & 0b111 == 0
    }

    /// Returns whether an instance that starts slowly keeps a request that it was chosen for: in `share + 1` of 256
    /// turns.
    #[inline]
    pub(crate) const fn keeps(self, share: u8) -> bool {
        (self.0 >> 40) & 0xFF <= share as u64
    }
}

/// Scales a number below 2^32 to one below `count`, rounding down.
#[inline]
const fn scale(number: u64, count: u32) -> u32 {
    ((number * count as u64) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn turns(start: u64) -> impl Iterator<Item = Turn> {
        std::iter::successors(Some(Turn(start)), |turn| Some(turn.next()))
    }

    proptest! {
        #[test]
        fn two_numbers_differ(bits: u64, count in 2..=64_u32) {
            let (first, second) = Turn(bits).two_below(count);
            prop_assert!(first != second && first < count && second < count);
        }

        #[test]
        fn first_numbers_are_evenly_spread(start: u64, count in 2..=64_u32) {
            let mut chosen = vec![0_i64; 64];
            for turn in turns(start).take(6_400) {
                chosen[turn.two_below(count).0 as usize] += 1;
            }
            let expected = 6_400 / i64::from(count);
            prop_assert!(chosen.iter().take(count as usize).all(|n| (n - expected).abs() <= 3), "{chosen:?}");
        }
    }

    // Each of these is needed: a second instance, an exception or a slow start that comes with one first instance only
    // would never balance it.
    #[test]
    #[cfg_attr(miri, ignore = "two million draws: it takes hours there")]
    fn decisions_are_independent() {
        for count in [2, 3, 5, 8, 64] {
            let mut pairs = BTreeMap::new();
            let mut exceptions = BTreeMap::new();
            let mut kept = BTreeMap::new();
            let total = 400_000_usize;
            for turn in turns(u64::from(count)).take(total) {
                let (first, second) = turn.two_below(count);
                *pairs.entry((first, second)).or_insert(0.0) += 1.0;
                *exceptions.entry((first, second)).or_insert(0.0) += f64::from(turn.ignores_failures());
                *kept.entry(first).or_insert(0.0) += f64::from(turn.keeps(25));
            }
            let even = total as f64 / f64::from(count * (count - 1));
            assert_eq!(pairs.len(), (count * (count - 1)) as usize);
            let off = |n: &f64, expected: f64| (n / expected - 1.0).abs();
            assert!(pairs.values().all(|n| off(n, even) < 0.2), "{count}: {pairs:?}");
            let share = total as f64 / f64::from(count) * 26.0 / 256.0;
            assert!(kept.values().all(|n| off(n, share) < 0.1), "{count}: {kept:?}");
            if count <= 8 {
                assert!(exceptions.values().all(|n| off(n, even / 8.0) < 0.2), "{count}: {exceptions:?}");
            }
        }
    }
}
