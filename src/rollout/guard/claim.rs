//! The claims that hold for a canary that is no worse, and the bets against them. [`Guard`](super::Guard) has the formulas.

use crate::traffic::Figures;

/// Counts of one kind in one window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    canary: Count,
    stable: Count,
}

/// Requests and the bad ones among them.
#[derive(Clone, Copy, Debug)]
struct Count {
    all: f64,
    /// At most `all`.
    bad: f64,
}

/// A claim about the rate of bad requests of the canary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Claim {
    /// It is at most `times` the rate of the others plus `by`, a rate from 0 to 1.
    NoWorse { times: f64, by: f64 },
    /// It is at most this rate, 0 to 1.
    Within(f64),
}

impl Trial {
    /// Counts requests, and `bad` ones among them, on both sides.
    pub(super) fn new(canary: (u64, u64), stable: (u64, u64)) -> Self {
        Self { canary: Count::new(canary), stable: Count::new(stable) }
    }

    /// Counts the requests and the failed ones among them, on both sides.
    pub(super) fn from_failures(canary: &Figures, stable: &Figures) -> Self {
        Self::new((canary.requests, canary.bad), (stable.requests, stable.bad))
    }
}

impl Count {
    /// Counts `all` requests, and `bad` ones among them.
    #[expect(clippy::cast_precision_loss, reason = "a relative error of 2^-53 in the evidence")]
    fn new((all, bad): (u64, u64)) -> Self {
        // Two counters are read one after the other, so more bad requests than requests are possible.
        Self { all: all as f64, bad: bad.min(all) as f64 }
    }
}

impl Claim {
    /// Returns the logarithm of the payment for a bet of 1 that the rate is `theta` times as high as claimed. It is 0, for a
    /// payment of 1, in a window without requests to compare. It is finite for all counts.
    pub(super) fn ln_payment(self, theta: f64, trial: Trial) -> f64 {
        let Trial { canary, stable } = trial;
        match self {
            Self::NoWorse { times, by } if canary.all > 0.0 && stable.all > 0.0 => {
                let expected = times * canary.all;
                // (1−b)/(1−a). The quotient b/a is theta times as large.
                let shrink = (expected + stable.all) / (theta * expected + stable.all);
                let grow = theta * shrink;
                canary.bad * grow.ln() + stable.bad * shrink.ln() - by * canary.all * (grow - 1.0)
            }
            Self::Within(limit) if canary.all > 0.0 => {
                canary.bad * theta.ln() - limit * canary.all * (theta - 1.0)
            }
            _ => 0.0,
        }
    }
}
