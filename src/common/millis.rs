//! Serializes a time as milliseconds since the Unix epoch, for `serde(with)`.

use std::time::SystemTime;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

use super::time::{from_millis, to_millis};

pub(crate) fn serialize<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(to_millis(*at))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let millis = i64::deserialize(deserializer)?;
    if millis < 0 {
        return Err(D::Error::custom("the time must be milliseconds since the Unix epoch"));
    }
    Ok(from_millis(millis))
}
