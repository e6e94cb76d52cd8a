//! Weights in hundredths of a percent.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The number of parts of a service's traffic: slots, points of a draw, and hundredths of a percent.
pub const SLOTS: u16 = 10_000;

/// The maximum length in characters of a refused weight in an error message.
const MAX_SHOWN: usize = 32;

/// A version's share of its service's traffic: 0 to 100 percent, with up to two decimals.
///
/// It is an integer count of hundredths of a percent, so weights add up exactly. It is made from:
///
/// | from | by | if invalid |
/// | --- | --- | --- |
/// | a whole percentage in the source | [`Weight::from_percent(12)`](Weight::from_percent) | panics; does not compile in a `const` |
/// | hundredths of a percent | [`Weight::from_hundredths(1_250)`](Weight::from_hundredths) | [`InvalidWeight`] |
/// | a percentage as a number | `Weight::try_from(12.5)` | [`InvalidWeight`] |
/// | a percentage as a text | `"12.5".parse()`, `Weight::try_from("12.5")` | [`InvalidWeight`] |
///
/// ```
/// use tower_canary::Weight;
///
/// let canary: Weight = "12.5".parse()?;
/// assert_eq!(canary.hundredths(), 1_250);
/// assert_eq!(Weight::try_from(12.5)?, canary);
/// assert_eq!(canary.to_string(), "12.5");
/// assert!(Weight::try_from(0.005).is_err());
/// # Ok::<(), tower_canary::routing::InvalidWeight>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u16);

impl Weight {
    /// 0 percent: no traffic.
    pub const ZERO: Self = Self(0);
    /// 100 percent: all traffic.
    pub const FULL: Self = Self(SLOTS);

    /// Creates a weight from a whole percentage in the source code, 0 to 100.
    ///
    /// ```
    /// use tower_canary::Weight;
    ///
    /// const CANARY: Weight = Weight::from_percent(10);
    /// assert_eq!(CANARY.to_string(), "10");
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `percent` is over 100. In a constant this is a compile error. For a percentage that is not known in
    /// advance, use [`from_hundredths`](Self::from_hundredths) or `Weight::try_from`.
    ///
    /// ```compile_fail
    /// const TOO_MUCH: tower_canary::Weight = tower_canary::Weight::from_percent(101);
    /// ```
    #[must_use]
    pub const fn from_percent(percent: u8) -> Self {
        assert!(percent <= 100, "a weight is a percentage from 0 to 100");
        Self(percent as u16 * 100)
    }

    /// Creates a weight from a count of hundredths of a percent, 0 to 10,000.
    ///
    /// ```
    /// assert_eq!(tower_canary::Weight::from_hundredths(1_000)?.percent(), 10.0);
    /// # Ok::<(), tower_canary::routing::InvalidWeight>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`InvalidWeight`] if `hundredths` is over 10,000.
    pub fn from_hundredths(hundredths: u16) -> Result<Self, InvalidWeight> {
        if hundredths <= SLOTS {
            Ok(Self(hundredths))
        } else {
            Err(InvalidWeight::from_percent(f64::from(hundredths) / 100.0))
        }
    }

    /// Returns the weight in hundredths of a percent, 0 to 10,000. This is the version's number of slots.
    #[must_use]
    pub const fn hundredths(self) -> u16 {
        self.0
    }

    /// Returns the weight in percent, 0.0 to 100.0.
    ///
    /// ```
    /// assert_eq!(tower_canary::Weight::FULL.percent(), 100.0);
    /// ```
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// Returns whether the weight is 0, so that the version gets no new request by weight.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Returns the sum of `weights` in hundredths of a percent. A sum that a `u32` cannot hold, of a list from outside,
    /// is its maximum.
    pub(super) fn total(weights: impl Iterator<Item = Self>) -> u32 {
        weights.fold(0, |total, weight| total.saturating_add(u32::from(weight.0)))
    }

    /// Creates a weight from a part of 10,000. The rules keep parts at or below 10,000; a larger one becomes 100 percent.
    pub(super) fn saturating_from_hundredths(hundredths: u32) -> Self {
        Self(u16::try_from(hundredths).unwrap_or(SLOTS).min(SLOTS))
    }
}

/// Reads a percentage: `12.5` is 12.5 percent.
impl TryFrom<f64> for Weight {
    type Error = InvalidWeight;

    fn try_from(percent: f64) -> Result<Self, InvalidWeight> {
        let hundredths = (percent * 100.0).round();
        // A number with two decimals is read as the double nearest to it. The quotient is that same double.
        #[expect(clippy::float_cmp, reason = "a difference means that the number has more than two decimals")]
        let has_two_decimals = hundredths / 100.0 == percent;
        if !has_two_decimals || !(0.0..=f64::from(SLOTS)).contains(&hundredths) {
            return Err(InvalidWeight::from_percent(percent));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number in 0..=10,000"
        )]
        Ok(Self(hundredths as u16))
    }
}

/// Reads a percentage without a percent sign: `12.5` is 12.5 percent.
impl FromStr for Weight {
    type Err = InvalidWeight;

    fn from_str(text: &str) -> Result<Self, InvalidWeight> {
        // The message shows the text as it was given, not the number that it was read as.
        let percent: f64 = text.parse().map_err(|_| InvalidWeight::new(text))?;
        Self::try_from(percent).map_err(|_| InvalidWeight::new(text))
    }
}

/// Reads a text as [`FromStr`] does.
impl TryFrom<&str> for Weight {
    type Error = InvalidWeight;

    fn try_from(text: &str) -> Result<Self, InvalidWeight> {
        text.parse()
    }
}

/// Writes the percentage without a percent sign and without needless decimals: `10`, `12.5`.
impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.percent(), f)
    }
}

/// The error for a number or a text that is not a [`Weight`].
///
/// ```
/// let error = tower_canary::Weight::try_from(101.0).unwrap_err();
/// assert_eq!(error.to_string(), "101 is not a weight: give a percentage from 0 to 100 with at most two decimals");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{} is not a weight: give a percentage from 0 to 100 with at most two decimals", .given.escape_debug())]
pub struct InvalidWeight {
    given: String,
}

impl InvalidWeight {
    fn new(given: &str) -> Self {
        Self { given: given.chars().take(MAX_SHOWN).collect() }
    }

    /// Creates the error for a number that is not a weight.
    fn from_percent(percent: f64) -> Self {
        Self::new(&percent.to_string())
    }
}
