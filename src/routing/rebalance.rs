//! Distributes the rest of the traffic in proportion.

use std::cmp::Reverse;

/// Distributes `total` in proportion to `weights` by the largest-remainder (Hamilton) method.
///
/// Each weight gets its quota rounded down. The parts that are left go one each to the largest remainders; of equal
/// remainders the earlier one goes first. The result totals exactly `total`.
///
/// Returns `None` if the weights have no proportion: all are 0, or the list is empty.
pub(super) fn apportion(total: u32, weights: &[u32]) -> Option<Vec<u32>> {
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if sum == 0 {
        return None;
    }
    let mut shares = Vec::with_capacity(weights.len());
    let mut remainders = Vec::with_capacity(weights.len());
    for (i, weight) in weights.iter().enumerate() {
        let scaled = u64::from(*weight) * u64::from(total);
        #[expect(clippy::cast_possible_truncation, reason = "a share is at most the total, a u32")]
        shares.push((scaled / sum) as u32);
        remainders.push((Reverse(scaled % sum), i));
    }
    let left = total - shares.iter().sum::<u32>();
    // The position is part of the key, so ties go to the earlier weight.
    remainders.sort_unstable();
    for (_, i) in remainders.into_iter().take(left as usize) {
        shares[i] += 1;
    }
    Some(shares)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::apportion;

    #[test]
    fn ties_go_to_the_older_version() {
        assert_eq!(apportion(1, &[1, 1]), Some(vec![1, 0]));
        assert_eq!(apportion(10_000, &[1, 1, 1]), Some(vec![3_334, 3_333, 3_333]));
    }

    #[test]
    fn zero_weights_are_not_apportioned() {
        assert_eq!(apportion(10_000, &[0, 0]), None);
        assert_eq!(apportion(10_000, &[]), None);
    }

    proptest! {
        // Quota rule: each share is its exact quota, rounded down or up.
        #[test]
        fn shares_total_and_meet_the_quota_rule(
            total in 0u32..=10_000,
            weights in prop::collection::vec(any::<u32>(), 1..8),
        ) {
            let sum: u64 = weights.iter().map(|w| u64::from(*w)).sum();
            let Some(shares) = apportion(total, &weights) else { prop_assert_eq!(sum, 0); return Ok(()); };
            prop_assert_eq!(shares.iter().sum::<u32>(), total);
            for (share, weight) in shares.iter().zip(&weights) {
                let quota = u64::from(*weight) * u64::from(total) / sum;
                prop_assert!(u64::from(*share) == quota || u64::from(*share) == quota + 1);
            }
        }
    }
}
