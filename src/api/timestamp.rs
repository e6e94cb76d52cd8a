//! Points in time.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The last millisecond that RFC 3339 can write: the end of the year 9999.
const LAST_MILLISECOND: u64 = 253_402_300_799_999;

/// A point in time in UTC, to the millisecond, written as RFC 3339 does.
///
/// RFC 3339 has no years before 0 and after 9999. A time before 1970 or after 9999 becomes the nearest time
/// between.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use tower_canary::api::Timestamp;
///
/// let at = Timestamp::from(UNIX_EPOCH + Duration::from_millis(1_500));
/// assert_eq!(at.to_string(), "1970-01-01T00:00:01.500Z");
/// assert_eq!("1970-01-01T00:00:01.500Z".parse::<Timestamp>()?, at);
/// # Ok::<(), tower_canary::api::InvalidTimestamp>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp {
    since_epoch: Duration,
}

/// A text that is not a [`Timestamp`].
///
/// See [`Timestamp`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("give a time in RFC 3339 and UTC, such as 2026-01-05T09:30:00Z")]
#[non_exhaustive]
pub struct InvalidTimestamp;

impl Timestamp {
    /// Returns the time as the standard library has it.
    #[must_use]
    pub fn system_time(self) -> SystemTime {
        UNIX_EPOCH + self.since_epoch
    }
}

impl From<SystemTime> for Timestamp {
    fn from(at: SystemTime) -> Self {
        let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let milliseconds = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        Self { since_epoch: Duration::from_millis(milliseconds.min(LAST_MILLISECOND)) }
    }
}

impl From<Timestamp> for String {
    fn from(at: Timestamp) -> Self {
        at.to_string()
    }
}

impl TryFrom<String> for Timestamp {
    type Error = InvalidTimestamp;

    fn try_from(text: String) -> Result<Self, InvalidTimestamp> {
        text.parse()
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        humantime::parse_rfc3339(text).map(Self::from).map_err(|_| InvalidTimestamp)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(self.system_time()).fmt(f)
    }
}
