//! The share of a service's requests that a version got.

/// The share of a service's requests that a version got, in percent, with the 95 % confidence interval of the true share.
///
/// The interval is Wilson's score interval for independent requests
/// ([Wilson 1927](https://doi.org/10.1080/01621459.1927.10502953)). [`Draw::Exact`](crate::Draw::Exact) stays much closer to
/// the weight. So a weight outside of the interval has another reason: keys or pins, overrides, or a change of the weight in
/// the period.
///
/// ```
/// let share = tower_canary::traffic::ObservedShare::new(10, 100).ok_or("no requests")?;
/// assert_eq!(share.observed, 10.0);
/// assert_eq!((share.low.round(), share.high.round()), (6.0, 17.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ObservedShare {
    /// The observed share, in percent.
    pub observed: f64,
    /// The lower end of the interval, in percent.
    pub low: f64,
    /// The upper end of the interval, in percent.
    pub high: f64,
    /// How many requests the share was observed on.
    pub of: u64,
}

/// How many standard deviations around the mean hold 95 % of a normal distribution.
const Z: f64 = 1.959_963_984_540_054;

impl ObservedShare {
    /// Returns the share of `part` requests in `of`, or `None` if `of` is 0.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^53")]
    pub fn new(part: u64, of: u64) -> Option<Self> {
        if of == 0 {
            return None;
        }
        let n = of as f64;
        let p = part.min(of) as f64 / n;
        let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let middle = p + Z * Z / (2.0 * n);
        let percent = 100.0 / (1.0 + Z * Z / n);
        Some(Self {
            observed: 100.0 * p,
            low: ((middle - spread) * percent).clamp(0.0, 100.0),
            high: ((middle + spread) * percent).clamp(0.0, 100.0),
            of,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_matches_newcombe_1998() {
        // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        for (part, of, low, high) in
            [(81, 263, 25.53, 36.62), (15, 148, 6.24, 16.05), (0, 20, 0.0, 16.11), (1, 29, 0.61, 17.18)]
        {
            let share = ObservedShare::new(part, of).unwrap();
            assert!((share.low - low).abs() < 0.006 && (share.high - high).abs() < 0.006, "{share:?}");
        }
        assert_eq!(ObservedShare::new(0, 0), None);
    }
}
