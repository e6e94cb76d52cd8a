//! The instances of a version as bits of one word.

use super::turn::Turn;

/// All instances of a version: the bits of a word, from the lowest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Members {
    bits: u64,
    count: u32,
}

impl Members {
    /// Creates the set of `count` instances: 1 to 64, else the nearest of the two.
    pub(crate) fn new(count: usize) -> Self {
        let count = u32::try_from(count).unwrap_or(u64::BITS).clamp(1, u64::BITS);
        Self { bits: u64::MAX >> (u64::BITS - count), count }
    }

    /// Returns the set of all instances.
    #[inline]
    pub(crate) const fn bits(self) -> u64 {
        self.bits
    }

    /// Returns two different instances of `usable`, which must have at least two bits.
    ///
    /// While all instances are usable, as they are most of the time, no bit has to be searched for.
    #[inline]
    pub(super) fn two_of(self, usable: u64, turn: Turn) -> (usize, usize) {
        if usable == self.bits {
            let (first, second) = turn.two_below(self.count);
            return (first as usize, second as usize);
        }
        let (first, second) = turn.two_below(usable.count_ones());
        (nth_bit(usable, first), nth_bit(usable, second))
    }
}

/// Returns the position of the bit of `word` that has `rank` lower ones. There must be such a bit.
///
/// It takes the same time for every word: byte `i` of `sums` is the number of bits in the bytes 0 to `i`
/// ([Vigna 2008](https://doi.org/10.1007/978-3-540-68552-4_12)).
const fn nth_bit(word: u64, rank: u32) -> usize {
    /// The lowest bit of each byte.
    const ONES: u64 = 0x0101_0101_0101_0101;
    /// The highest bit of each byte.
    const HIGH_BITS: u64 = 0x80 * ONES;
    let pairs = word - ((word >> 1) & (0x55 * ONES));
    let nibbles = (pairs & (0x33 * ONES)) + ((pairs >> 2) & (0x33 * ONES));
    let sums = ((nibbles + (nibbles >> 4)) & (0x0F * ONES)).wrapping_mul(ONES);
    // The high bit of a byte is set where its sum is greater than `rank`. Both are at most 64, so no byte borrows.
    let greater = ((sums | HIGH_BITS) - (rank as u64 + 1) * ONES) & HIGH_BITS;
    let byte = greater.trailing_zeros() & 0b11_1000;
    let below = ((sums << 8) >> byte) & 0xFF;
    let mut bits = (word >> byte) & 0xFF;
    let mut left = (rank as u64).saturating_sub(below);
    while left > 0 {
        bits &= bits.wrapping_sub(1);
        left -= 1;
    }
    (byte + bits.trailing_zeros()) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by counting.
    fn nth_bit_by_search(word: u64, rank: u32) -> usize {
        (0..64).filter(|i| (word >> i) & 1 == 1).nth(rank as usize).unwrap()
    }

    proptest! {
        #[test]
        fn nth_bit_is_the_one_found_by_counting(word in 1..=u64::MAX, sparse: u64, rank: u32) {
            for word in [word, (word & sparse) | 1, 1 << (sparse % 64)] {
                let rank = rank % word.count_ones();
                prop_assert_eq!(nth_bit(word, rank), nth_bit_by_search(word, rank));
            }
        }

        #[test]
        fn two_usable_instances_differ(count in 2..=64_usize, word: u64, bits: u64) {
            let members = Members::new(count);
            // At least two, of which one is the last.
            let usable = (word & members.bits()) | 1 | (1 << (count - 1));
            let (first, second) = members.two_of(usable, Turn::from_bits(bits));
            prop_assert_ne!(first, second);
            prop_assert!((usable >> first) & 1 == 1 && (usable >> second) & 1 == 1);
        }
    }

    #[test]
    fn members_are_the_lowest_bits() {
        assert_eq!([1, 2, 3, 64].map(|n| Members::new(n).bits()), [0b1, 0b11, 0b111, u64::MAX]);
        assert_eq!((nth_bit(u64::MAX, 63), nth_bit(1 << 63, 0)), (63, 63));
    }
}
