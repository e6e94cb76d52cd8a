//! The choice between two instances.

use super::members::Members;
use super::turn::Turn;

/// One failure in a row weighs as much as this many requests in flight.
const FAILURE_WEIGHT: usize = 4;

/// What a thread knows of the load of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// The requests in flight that were sent by the threads of the shard.
    pub(crate) in_flight: usize,
    /// The failed requests since the last success.
    pub(crate) failures: u32,
}

impl Load {
    /// Returns the load as one number: the lower one gets the request. A recent failure weighs as much as
    /// several requests in flight, so an instance that fails fast does not attract requests by being idle.
    #[inline]
    const fn score(self, ignores_failures: bool) -> usize {
        let failures = if ignores_failures { 0 } else { self.failures as usize };
        self.in_flight.saturating_add(failures.saturating_mul(FAILURE_WEIGHT))
    }
}

/// Chooses one of the instances in `usable`, which must have at least two bits. Returns it, and the one that it was compared
/// with.
///
/// Of two equal ones the first of the turn is chosen, so that idle instances are used in turn.
#[inline]
pub(crate) fn choose(
    members: Members,
    usable: u64,
    turn: Turn,
    load: impl Fn(usize) -> Load,
) -> (usize, usize) {
    let (first, second) = members.two_of(usable, turn);
    let ignores_failures = turn.ignores_failures();
    if load(second).score(ignores_failures) < load(first).score(ignores_failures) {
        (second, first)
    } else {
        (first, second)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_usable_instance_is_chosen(
            loads in prop::collection::vec((0..100_usize, 0..20_u32), 2..=64), word: u64, bits: u64,
        ) {
            let members = Members::new(loads.len());
            let usable = (word & members.bits()) | 0b11;
            let turn = Turn::from_bits(bits);
            let load = |i: usize| Load { in_flight: loads[i].0, failures: loads[i].1 };
            let (chosen, other) = choose(members, usable, turn, load);
            prop_assert!(chosen != other && (usable >> chosen) & (usable >> other) & 1 == 1);
            let ignores = turn.ignores_failures();
            prop_assert!(load(chosen).score(ignores) <= load(other).score(ignores));
        }

        // The greatest load that can be written down is no special case.
        #[test]
        fn any_load_has_a_score(in_flight: usize, failures: u32, ignores: bool) {
            let load = Load { in_flight, failures };
            prop_assert!(load.score(ignores) >= in_flight);
        }
    }

    /// Returns the share of the first of two instances, which fails with the probability `p`, where requests are rare.
    fn share_where_one_fails(p: f64) -> f64 {
        const REQUESTS: u32 = 100_000;
        let mut turn = Turn::from_bits(7);
        let mut random = 0_u64;
        let mut failures = 0;
        let mut chosen_first = 0.0;
        for _ in 0..REQUESTS {
            turn = turn.next();
            let load = |i| Load { in_flight: 0, failures: if i == 0 { failures } else { 0 } };
            if choose(Members::new(2), 0b11, turn, load).0 == 0 {
                chosen_first += 1.0;
                random = crate::common::hash::mix(random);
                let fails = (random >> 11) as f64 / (1_u64 << 53) as f64;
                failures = if fails < p { failures + 1 } else { 0 };
            }
        }
        chosen_first / f64::from(REQUESTS)
    }

    // One failure in a hundred must not exclude an instance for good. The more it fails, the less it gets.
    #[test]
    fn failing_instance_gets_another_chance() {
        let [never, rarely, often, always] = [0.0, 0.01, 0.3, 1.0].map(share_where_one_fails);
        assert!((never - 0.5).abs() < 0.001, "{never}");
        assert!((0.45..0.49).contains(&rarely), "{rarely}");
        assert!((0.14..0.24).contains(&often), "{often}");
        // Half of one in eight.
        assert!((0.055..0.07).contains(&always), "{always}");
    }
}
