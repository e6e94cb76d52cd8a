//! Weights and shares in percent.

use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::routing::Weight;

/// A weight or a share as a JSON number in percent: 0 to 100 with at most two decimals.
///
/// It has the values of a [`Weight`]. Whole percentages are written without a decimal point.
///
/// ```
/// use tower_canary::Weight;
/// use tower_canary::api::Percent;
///
/// let tenth = Percent::from("10".parse::<Weight>()?);
/// assert_eq!(serde_json::to_string(&tenth)?, "10");
/// assert_eq!(serde_json::from_str::<Percent>("10.0")?, tenth);
/// assert!(serde_json::from_str::<Percent>("101").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "admin", schema(value_type = f64, minimum = 0, maximum = 100, example = 10))]
pub struct Percent(Weight);

impl Percent {
    /// Returns the weight.
    #[must_use]
    pub const fn weight(self) -> Weight {
        self.0
    }
}

impl From<Weight> for Percent {
    fn from(weight: Weight) -> Self {
        Self(weight)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hundredths = self.0.hundredths();
        if hundredths.is_multiple_of(100) {
            serializer.serialize_u16(hundredths / 100)
        } else {
            serializer.serialize_f64(self.0.percent())
        }
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let percent = f64::deserialize(deserializer)?;
        Weight::try_from(percent).map(Self).map_err(D::Error::custom)
    }
}
