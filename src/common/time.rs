//! Times as stores record them: in milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the current time to the millisecond, the resolution of the stores: a time is the same after it was stored.
///
/// ```
/// use std::time::UNIX_EPOCH;
///
/// let at = tower_canary::store::now();
/// assert_eq!(at.duration_since(UNIX_EPOCH)?.subsec_nanos() % 1_000_000, 0);
/// # Ok::<(), std::time::SystemTimeError>(())
/// ```
#[must_use]
pub fn now() -> SystemTime {
    from_millis(to_millis(SystemTime::now()))
}

/// Converts to milliseconds since the Unix epoch. Earlier times become 0.
pub(crate) fn to_millis(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Converts from milliseconds since the Unix epoch. Negative ones become 0.
pub(crate) fn from_millis(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis.max(0).unsigned_abs())
}

/// Serializes a duration as milliseconds, for `serde(with)`.
#[cfg(feature = "serde")]
pub(crate) mod duration_millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes a duration in whole milliseconds.
    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    /// Reads a duration in milliseconds.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
