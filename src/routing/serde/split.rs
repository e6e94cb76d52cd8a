//! Splits and their versions, as stores keep them.
//!
//! Unknown fields are ignored, so that a release can read splits that a later release wrote.

use std::time::SystemTime;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::routing::health_path::HealthPath;
use crate::routing::instances::Instances;
use crate::routing::last_change::LastChange;
use crate::routing::mirror_share::MirrorShare;
use crate::routing::name::{ServiceName, VersionName};
use crate::routing::service_settings::ServiceSettings;
use crate::routing::slots::SlotMap;
use crate::routing::split::Split;
use crate::routing::split_parts::SplitParts;
use crate::routing::version::{Version, VersionShare};
use crate::routing::version_id::VersionId;
use crate::routing::weight::Weight;

/// Implements the traits by the fields of a struct that serde derives them for remotely.
macro_rules! impl_by_fields {
    ($($name:ident: $fields:ident),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $fields::serialize(self, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $fields::deserialize(deserializer)
            }
        }
    )+};
}

impl_by_fields!(
    Version: VersionFields,
    VersionShare: VersionShareFields,
    MirrorShare: MirrorShareFields,
    ServiceSettings: ServiceSettingsFields,
    LastChange: LastChangeFields,
    SplitParts: SplitPartsFields
);

/// The form of a [`Version`]. Times are in milliseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Version", rename_all = "camelCase")]
struct VersionFields {
    id: VersionId,
    name: VersionName,
    instances: Instances,
    weight: Weight,
    active: bool,
    #[serde(with = "crate::common::millis")]
    created_at: SystemTime,
    #[serde(with = "crate::common::millis")]
    updated_at: SystemTime,
}

/// The form of a [`VersionShare`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "VersionShare")]
struct VersionShareFields {
    version: VersionName,
    weight: Weight,
    active: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instances: Option<Instances>,
}

/// The form of a [`MirrorShare`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "MirrorShare")]
struct MirrorShareFields {
    version: VersionName,
    share: Weight,
}

/// The form of [`ServiceSettings`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "ServiceSettings", rename_all = "camelCase")]
struct ServiceSettingsFields {
    #[serde(default)]
    health_path: Option<HealthPath>,
    #[serde(default)]
    pin_epoch: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mirror: Option<MirrorShare>,
}

/// The form of a [`LastChange`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "LastChange")]
struct LastChangeFields {
    actor: String,
    #[serde(with = "crate::common::millis")]
    at: SystemTime,
}

/// The form of [`SplitParts`]. The salt is a text: in JSON many programs round a number beyond 2^53.
#[derive(Serialize, Deserialize)]
#[serde(remote = "SplitParts", rename_all = "camelCase")]
struct SplitPartsFields {
    service: ServiceName,
    #[serde(with = "hex")]
    salt: u64,
    generation: u64,
    #[serde(default)]
    pin_epoch: u64,
    #[serde(default)]
    health_path: Option<HealthPath>,
    versions: Vec<Version>,
    slots: SlotMap,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mirror: Option<MirrorShare>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_change: Option<LastChange>,
}

impl Serialize for Split {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.clone().into_parts().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Split {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (split, _was_repaired) = Self::from_parts(SplitParts::deserialize(deserializer)?);
        Ok(split)
    }
}

/// A number of 64 bits as 16 hexadecimal digits: many readers of JSON lose bits of numbers above 2^53.
mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes a salt as 16 hexadecimal digits.
    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{number:016x}"))
    }

    /// Reads exactly 16 hexadecimal digits.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let digits = String::deserialize(deserializer)?;
        if digits.len() != 16 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(D::Error::custom("not a salt: write 16 hexadecimal digits"));
        }
        u64::from_str_radix(&digits, 16).map_err(D::Error::custom)
    }
}
