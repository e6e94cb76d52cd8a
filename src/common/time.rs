//! Times as stores record them: in milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the current time to the millisecond, so that it is the same after it was stored.
pub(crate) fn now() -> SystemTime {
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
