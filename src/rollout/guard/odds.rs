//! Evidence as odds.

use std::fmt;

/// Evidence against the canary, as odds: how much the bets against it have multiplied their stakes.
///
/// Below 1 it speaks for the canary. The chance that a good canary ever reaches `n : 1` is at most 1 in n.
///
/// ```
/// use tower_canary::rollout::{Evidence, Guard, Measure, Plan, Window};
/// use tower_canary::traffic::Figures;
///
/// let guard = Guard::new(&Plan::new("v1.1".parse()?));
/// let mut evidence = Evidence::default();
/// guard.observe(&mut evidence, &Window::new(Figures::new(50, 0), Figures::new(950, 1)));
/// assert!(guard.odds(&evidence, Measure::Errors).to_string().starts_with("1 : "));
/// # Ok::<(), tower_canary::routing::InvalidName>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Odds {
    /// The natural logarithm of the capital that a stake of 1 has become.
    ln: f64,
}

impl Odds {
    /// Creates odds from their natural logarithm, in which form they are multiplied without overflow.
    pub(super) const fn from_ln(ln: f64) -> Self {
        Self { ln }
    }

    /// Returns the natural logarithm. Negative infinity before the first window.
    #[must_use]
    pub const fn ln(self) -> f64 {
        self.ln
    }

    /// Returns the decimal logarithm: 3 for `1000 : 1`, -1 for `1 : 10`. Negative infinity before the first window.
    #[must_use]
    pub fn log10(self) -> f64 {
        self.ln / std::f64::consts::LN_10
    }
}

/// Writes `2400 : 1` or `1 : 40`, and `none yet` before the first window. Odds beyond a million to one, on either
/// side, are written as a power of ten.
impl fmt::Display for Odds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ln == f64::NEG_INFINITY {
            return f.write_str("none yet");
        }
        let size = self.ln.abs();
        let number = if size < 6.0 * std::f64::consts::LN_10 {
            format!("{:.0}", size.exp())
        } else {
            format!("10^{:.0}", self.log10().abs())
        };
        if self.ln < 0.0 { write!(f, "1 : {number}") } else { write!(f, "{number} : 1") }
    }
}
