//! Serializes a time as milliseconds since the Unix epoch, for `serde(with)`.

use std::time::SystemTime;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

use super::time::{from_millis, to_millis};

/// Writes a time in whole milliseconds.
pub(crate) fn serialize<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(to_millis(*at))
}

/// Reads a time. A negative number is refused.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let millis = i64::deserialize(deserializer)?;
    if millis < 0 {
        return Err(D::Error::custom("the time must be milliseconds since the Unix epoch"));
    }
    Ok(from_millis(millis))
}
