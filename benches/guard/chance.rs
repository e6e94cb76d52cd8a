//! Chance: the same numbers for the same seed.

use std::collections::HashMap;

/// A generator of pseudorandom numbers: SplitMix64.
#[derive(Debug)]
pub(crate) struct Chance {
    state: u64,
    binomials: HashMap<(u64, u64), Binomial>,
}

impl Chance {
    pub(crate) fn new() -> Self {
        Self { state: 0, binomials: HashMap::new() }
    }

    /// Begins the sequence of `seed`. Distributions of earlier sequences stay.
    pub(crate) fn reseed(&mut self, seed: u64) {
        self.state = seed.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ 0xA5A5_5A5A_1234_4321;
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// Returns a number from 0 to 1, without 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns whether an event of this chance happens.
    pub(crate) fn happens(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }

    /// Returns how many of `n` independent events of the chance `p` happen.
    pub(crate) fn count(&mut self, n: u64, p: f64) -> u64 {
        if n == 0 || p <= 0.0 {
            return 0;
        }
        if p >= 1.0 {
            return n;
        }
        let unit = self.unit();
        self.binomials.entry((n, p.to_bits())).or_insert_with(|| Binomial::new(n, p)).quantile(unit)
    }
}

/// The cumulated distribution of a count.
#[derive(Debug)]
struct Binomial {
    first: u64,
    cumulated: Vec<f64>,
}

impl Binomial {
    /// Computes the probabilities relative to the most probable count, so that none underflows.
    fn new(n: u64, p: f64) -> Self {
        const NEGLIGIBLE: f64 = 1e-18;
        let mode = (((n + 1) as f64 * p) as u64).min(n);
        let odds = p / (1.0 - p);
        let mut below = Vec::new();
        let mut weight = 1.0;
        for k in (0..mode).rev() {
            weight *= (k + 1) as f64 / ((n - k) as f64 * odds);
            if weight < NEGLIGIBLE {
                break;
            }
            below.push(weight);
        }
        let first = mode - below.len() as u64;
        let mut weights: Vec<f64> = below.into_iter().rev().collect();
        weight = 1.0;
        weights.push(weight);
        for k in mode..n {
            weight *= (n - k) as f64 * odds / (k + 1) as f64;
            if weight < NEGLIGIBLE {
                break;
            }
            weights.push(weight);
        }
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let cumulated = weights.iter().map(|weight| {
            sum += weight / total;
            sum
        });
        Self { cumulated: cumulated.collect(), first }
    }

    fn quantile(&self, unit: f64) -> u64 {
        let rank = self.cumulated.partition_point(|cumulated| *cumulated <= unit);
        self.first + rank.min(self.cumulated.len() - 1) as u64
    }
}
