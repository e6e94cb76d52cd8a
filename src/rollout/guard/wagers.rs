//! The capital of the bets against one claim.

use serde::{Deserialize, Serialize};

use super::claim::{Claim, Trial};

/// The factors by which the canary is bet to be worse.
const THETAS: [f64; 3] = [1.5, 4.0, 16.0];

/// The most that the patient bet pays in one window.
const PATIENT_CAP: f64 = 2.5;
/// The most that the quick bet pays in one window. It wins faster, against a canary that fails much more
/// often.
const QUICK_CAP: f64 = 10.0;

/// The margin that the quick bet has beside the margin of the plan: 0.4 points.
const QUICK_MARGIN: f64 = 0.004;

/// A bet against a claim: one for each factor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bet {
    claim: Claim,
    /// The most that it pays in one window for a capital of 1.
    cap: f64,
}

impl Bet {
    /// Returns the patient and the quick bet against "at most `times` the rate of the others plus `by`".
    pub(super) fn no_worse(times: f64, by: f64) -> [Self; 2] {
        [
            Self { claim: Claim::NoWorse { times, by }, cap: PATIENT_CAP },
            Self { claim: Claim::NoWorse { times, by: by + QUICK_MARGIN }, cap: QUICK_CAP },
        ]
    }

    /// Returns the patient and the quick bet against "at most `limit`".
    pub(super) fn within(limit: f64) -> [Self; 2] {
        [
            Self { claim: Claim::Within(limit), cap: PATIENT_CAP },
            Self { claim: Claim::Within(limit + QUICK_MARGIN), cap: QUICK_CAP },
        ]
    }

    /// Returns the bet against "no slower": exactly at the thresholds, which have the margin.
    pub(super) const fn no_slower() -> Self {
        Self { claim: Claim::NoWorse { times: 1.0, by: 0.0 }, cap: QUICK_CAP }
    }

    /// Returns the logarithms of the payments in a window, one for each factor.
    fn ln_payments(self, trial: Trial) -> [f64; 3] {
        THETAS.map(|theta| self.claim.ln_payment(theta, trial).min(self.cap.ln()))
    }
}

/// The stake that joins each bet in a window: 1/(K·u·(u+1)) in window `u` of a step, of `K` steps. All of them total 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stake {
    /// The natural logarithm of the stake.
    ln: f64,
}

impl Stake {
    /// Returns the stake of window `window` of a step, which counts from 1, in a rollout of `steps` steps.
    #[expect(clippy::cast_precision_loss, reason = "windows of ten seconds are far below 2^53")]
    pub(super) fn new(window: u64, steps: usize) -> Self {
        let window = window.max(1) as f64;
        Self { ln: -((steps.max(1) as f64).ln() + window.ln() + (window + 1.0).ln()) }
    }
}

/// The logarithms of the capital of each bet. Empty before the first window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Wagers(Vec<f64>);

impl Wagers {
    /// Adds the stake to the capital of each bet, and pays for the window. `bets` are the same in each window.
    pub(super) fn observe(&mut self, bets: impl IntoIterator<Item = (Bet, Trial)>, stake: Stake) {
        let payments: Vec<f64> = bets.into_iter().flat_map(|(bet, trial)| bet.ln_payments(trial)).collect();
        // Of another length only before the first window, and after an edit of the store by hand.
        self.0.resize(payments.len(), f64::NEG_INFINITY);
        for (capital, payment) in self.0.iter_mut().zip(payments) {
            *capital = stored(ln_sum([*capital, stake.ln]) + payment);
        }
    }

    /// Returns the logarithm of the mean capital. Negative infinity before the first window.
    #[expect(clippy::cast_precision_loss, reason = "a dozen bets")]
    pub(super) fn ln_mean(&self) -> f64 {
        if self.0.is_empty() {
            f64::NEG_INFINITY
        } else {
            ln_sum(self.0.iter().copied()) - (self.0.len() as f64).ln()
        }
    }
}

/// Returns a logarithm as it is stored: with twelve decimals and within 700.
///
/// Such a number has at most 15 digits, which every reader of JSON reads exactly: the evidence does not depend on which
/// gateway observes. The lower limit changes no later value, since the next stake is larger by far. The upper one only lowers evidence.
fn stored(ln: f64) -> f64 {
    const UNIT: f64 = 1e12;
    (ln.clamp(-700.0, 700.0) * UNIT).round() / UNIT
}

/// Returns the logarithm of the sum of the numbers with these logarithms, without overflow.
fn ln_sum(logarithms: impl IntoIterator<Item = f64, IntoIter: Clone>) -> f64 {
    let logarithms = logarithms.into_iter();
    let largest = logarithms.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_finite() {
        largest + logarithms.map(|ln| (ln - largest).exp()).sum::<f64>().ln()
    } else {
        largest
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        cases: Vec<Case>,
    }

    /// A case of `tests/vectors/guard.json`, which another implementation computed.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Case {
        name: String,
        times_worse: f64,
        worse_by: f64,
        /// The windows with which steps begin.
        steps: Vec<usize>,
        windows: Vec<[u64; 4]>,
        ln_patient: Vec<f64>,
        ln_quick: Vec<f64>,
        ln_evidence: Vec<f64>,
    }

    impl Case {
        fn bets(&self) -> [Bet; 2] {
            match self.times_worse {
                0.0 => Bet::within(self.worse_by),
                times => Bet::no_worse(times, self.worse_by),
            }
        }

        fn check(&self) -> f64 {
            let [patient, quick] = self.bets();
            let mut wagers = [Wagers::default(), Wagers::default(), Wagers::default()];
            let mut window = 0;
            let mut error = 0.0_f64;
            for (i, [n, x, m, y]) in self.windows.iter().copied().enumerate() {
                window = if self.steps.contains(&i) { 1 } else { window + 1 };
                let stake = Stake::new(window, self.steps.len());
                let trial = Trial::new((n, x), (m, y));
                wagers[0].observe([(patient, trial)], stake);
                wagers[1].observe([(quick, trial)], stake);
                wagers[2].observe([(patient, trial), (quick, trial)], stake);
                let expected = [self.ln_patient[i], self.ln_quick[i], self.ln_evidence[i]];
                for (wagers, expected) in wagers.iter().zip(expected) {
                    error = error.max((wagers.ln_mean() - expected).abs());
                }
            }
            error
        }
    }

    #[test]
    fn evidence_equals_the_vectors() {
        let json = include_str!("../../../tests/vectors/guard.json");
        let vectors: Vectors = serde_json::from_str(json).unwrap();
        assert_eq!(vectors.cases.len(), 10);
        for case in vectors.cases {
            let error = case.check();
            println!("{}: {error:.1e}", case.name);
            assert!(error < 1e-9, "{}: {error}", case.name);
        }
    }

    #[test]
    fn stakes_total_one() {
        let total: f64 = (1..=100_000).map(|window| Stake::new(window, 1).ln.exp()).sum();
        assert!((1.0 - 1e-4..=1.0).contains(&total), "{total}");
    }

    /// The expected payment at the edge of the claim, where failures are independent, summed over all outcomes.
    fn expected_payment(bet: Bet, canary: u64, stable: u64, rates: [f64; 2]) -> f64 {
        let mut expected = 0.0;
        for x in 0..=canary {
            for y in 0..=stable {
                let chance = binomial(canary, x, rates[0]) * binomial(stable, y, rates[1]);
                let payments = bet.ln_payments(Trial::new((canary, x), (stable, y)));
                expected += chance * payments.map(f64::exp).iter().sum::<f64>() / 3.0;
            }
        }
        expected
    }

    fn binomial(n: u64, k: u64, p: f64) -> f64 {
        let ways: f64 = (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product();
        ways * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32)
    }

    #[test]
    fn bets_are_fair_at_the_edge_of_the_claim() {
        for (canary, stable) in [(1, 1), (5, 40), (20, 20), (40, 3)] {
            for rate in [0.0, 0.01, 0.2, 0.6] {
                for (times, by) in [(1.0, 0.001), (1.5, 0.01), (1.0, 0.0)] {
                    for bet in Bet::no_worse(times, by) {
                        let edge = times * rate + by;
                        let expected = expected_payment(bet, canary, stable, [edge, rate]);
                        assert!(expected <= 1.0 + 1e-12, "{canary} {stable} {rate} {times} {by}: {expected}");
                    }
                }
                for bet in Bet::within(rate.max(0.001)) {
                    let expected = expected_payment(bet, canary, 0, [rate.max(0.001), 0.0]);
                    assert!(expected <= 1.0 + 1e-12, "{canary} {rate}: {expected}");
                }
            }
        }
    }
}
