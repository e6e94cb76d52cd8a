//! Values that are one text, one number or one list.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::routing::backend::Backend;
use crate::routing::health_path::HealthPath;
use crate::routing::instances::Instances;
use crate::routing::name::{ServiceName, VersionName};
use crate::routing::reason::Reason;
use crate::routing::slots::SlotMap;
use crate::routing::version_id::VersionId;
use crate::routing::weight::Weight;

macro_rules! impl_as_text {
    ($($name:ty),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )+};
}

impl_as_text!(ServiceName, VersionName, Backend, HealthPath, VersionId, SlotMap, Reason);

impl Serialize for Weight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hundredths = self.hundredths();
        if !serializer.is_human_readable() {
            serializer.serialize_u16(hundredths)
        } else if hundredths.is_multiple_of(100) {
            serializer.serialize_u16(hundredths / 100)
        } else {
            serializer.serialize_f64(self.percent())
        }
    }
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_f64(PercentVisitor)
        } else {
            Self::from_hundredths(u16::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    }
}

/// Reads a percentage as a number of any type.
struct PercentVisitor;

impl Visitor<'_> for PercentVisitor {
    type Value = Weight;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a percentage from 0 to 100 with at most two decimals")
    }

    fn visit_f64<E: Error>(self, percent: f64) -> Result<Weight, E> {
        Weight::try_from(percent).map_err(E::custom)
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers that lose precision are far above 100")]
    fn visit_u64<E: Error>(self, percent: u64) -> Result<Weight, E> {
        self.visit_f64(percent as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers that lose precision are far below 0")]
    fn visit_i64<E: Error>(self, percent: i64) -> Result<Weight, E> {
        self.visit_f64(percent as f64)
    }
}

impl Serialize for Instances {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de> Deserialize<'de> for Instances {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
