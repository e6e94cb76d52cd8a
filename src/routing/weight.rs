//! Weights in hundredths of a percent.

use std::fmt;
use std::str::FromStr;

/// How many parts a service's traffic has: 10,000 slots, hundredths of a percent, and points of a draw.
pub const SLOTS: u16 = 10_000;

/// A version's share of its service's traffic: 0 to 100 percent, with up to two decimals.
///
/// Held as a whole count of hundredths of a percent, so that weights add up exactly.
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
    /// No traffic.
    pub const ZERO: Self = Self(0);
    /// All traffic: 100 percent.
    pub const FULL: Self = Self(SLOTS);

    /// The weight of `hundredths` hundredths of a percent, 0 to 10,000.
    ///
    /// ```
    /// assert_eq!(tower_canary::Weight::from_hundredths(1_000)?.percent(), 10.0);
    /// # Ok::<(), tower_canary::routing::InvalidWeight>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When it is over 10,000.
    pub fn from_hundredths(hundredths: u16) -> Result<Self, InvalidWeight> {
        if hundredths <= SLOTS {
            Ok(Self(hundredths))
        } else {
            Err(InvalidWeight::of(f64::from(hundredths) / 100.0))
        }
    }

    /// In hundredths of a percent, 0 to 10,000: the number of slots.
    #[must_use]
    pub const fn hundredths(self) -> u16 {
        self.0
    }

    /// In percent, 0 to 100.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// Whether the version gets no new request.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// For parts of a whole that rules keep at or below 10,000.
    pub(super) fn saturating(hundredths: u32) -> Self {
        Self(u16::try_from(hundredths).unwrap_or(SLOTS).min(SLOTS))
    }
}

impl TryFrom<f64> for Weight {
    type Error = InvalidWeight;

    fn try_from(percent: f64) -> Result<Self, InvalidWeight> {
        let whole = (percent * 100.0).round();
        // A number of two decimals is read as the double nearest to it, which this quotient is too.
        #[expect(clippy::float_cmp, reason = "both are the same double or the number has more decimals")]
        let fits = (0.0..=f64::from(SLOTS)).contains(&whole) && whole / 100.0 == percent;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number in 0..=10,000"
        )]
        if fits { Ok(Self(whole as u16)) } else { Err(InvalidWeight::of(percent)) }
    }
}

impl FromStr for Weight {
    type Err = InvalidWeight;

    fn from_str(text: &str) -> Result<Self, InvalidWeight> {
        let refused = || InvalidWeight { given: text.chars().take(32).collect() };
        text.parse::<f64>()
            .map_err(|_| refused())
            .and_then(|percent| Self::try_from(percent).map_err(|_| refused()))
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.percent(), f)
    }
}

/// A number that is not a [`Weight`].
///
/// ```
/// let error = tower_canary::Weight::try_from(101.0).unwrap_err();
/// assert_eq!(error.to_string(), "101 is not a weight: give a percentage from 0 to 100 with at most two decimals");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidWeight {
    given: String,
}

impl InvalidWeight {
    fn of(percent: f64) -> Self {
        Self { given: percent.to_string().chars().take(32).collect() }
    }
}

impl fmt::Display for InvalidWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.given.escape_debug();
        write!(f, "{given} is not a weight: give a percentage from 0 to 100 with at most two decimals")
    }
}

impl std::error::Error for InvalidWeight {}
