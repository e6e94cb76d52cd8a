//! Changes, as clients send them.
//!
//! Unknown fields are refused, so that a misspelled option is not lost.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::routing::backend::Backend;
use crate::routing::change::Change;
use crate::routing::health_path::HealthPath;
use crate::routing::name::VersionName;
use crate::routing::registration::Registration;
use crate::routing::version::VersionShare;
use crate::routing::weight::Weight;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RegistrationFields {
    version: VersionName,
    url: Backend,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<Weight>,
    #[serde(default = "active_by_default")]
    active: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    health_path: Option<HealthPath>,
}

const fn active_by_default() -> bool {
    true
}

impl From<&Registration> for RegistrationFields {
    fn from(registration: &Registration) -> Self {
        let Registration { version, instances, weight, active, health_path } = registration.clone();
        // A registration has one base URL until stores keep more.
        Self { version, url: instances.first().clone(), weight, active, health_path }
    }
}

impl From<RegistrationFields> for Registration {
    fn from(fields: RegistrationFields) -> Self {
        let RegistrationFields { version, url, weight, active, health_path } = fields;
        Self { version, instances: url.into(), weight, active, health_path }
    }
}

impl Serialize for Registration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RegistrationFields::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Registration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RegistrationFields::deserialize(deserializer).map(Self::from)
    }
}

/// The variants are named as [`Change::kind`] names them.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum ChangeFields {
    Register(RegistrationFields),
    SetWeight {
        version: VersionName,
        weight: Weight,
    },
    SetWeights {
        #[serde(deserialize_with = "unique_weights")]
        weights: BTreeMap<VersionName, Weight>,
    },
    Switch {
        version: VersionName,
    },
    Activate {
        version: VersionName,
    },
    Deactivate {
        version: VersionName,
        #[serde(default)]
        force: bool,
    },
    SetUrl {
        version: VersionName,
        url: Backend,
    },
    Update {
        version: VersionName,
        url: Backend,
        active: bool,
        #[serde(default)]
        force: bool,
    },
    Remove {
        version: VersionName,
    },
    Restore {
        generation: u64,
        #[serde(default)]
        shares: Vec<VersionShare>,
    },
    // With braces: serde refuses unknown fields of this form only.
    Redraw {},
}

impl From<&Change> for ChangeFields {
    fn from(change: &Change) -> Self {
        match change.clone() {
            Change::Register(registration) => Self::Register(RegistrationFields::from(&registration)),
            Change::SetWeight { version, weight } => Self::SetWeight { version, weight },
            Change::SetWeights(weights) => Self::SetWeights { weights },
            Change::Switch { version } => Self::Switch { version },
            Change::SetActive { version, active: true, .. } => Self::Activate { version },
            Change::SetActive { version, active: false, force } => Self::Deactivate { version, force },
            Change::SetUrl { version, backend } => Self::SetUrl { version, url: backend },
            Change::Update { version, backend, active, force } => {
                Self::Update { version, url: backend, active, force }
            }
            Change::Remove { version } => Self::Remove { version },
            Change::Restore { generation, shares } => Self::Restore { generation, shares },
            Change::Redraw => Self::Redraw {},
        }
    }
}

impl From<ChangeFields> for Change {
    fn from(fields: ChangeFields) -> Self {
        match fields {
            ChangeFields::Register(registration) => Self::Register(registration.into()),
            ChangeFields::SetWeight { version, weight } => Self::SetWeight { version, weight },
            ChangeFields::SetWeights { weights } => Self::SetWeights(weights),
            ChangeFields::Switch { version } => Self::Switch { version },
            ChangeFields::Activate { version } => Self::activate(version),
            ChangeFields::Deactivate { version, force } => Self::SetActive { version, active: false, force },
            ChangeFields::SetUrl { version, url } => Self::SetUrl { version, backend: url },
            ChangeFields::Update { version, url, active, force } => {
                Self::Update { version, backend: url, active, force }
            }
            ChangeFields::Remove { version } => Self::Remove { version },
            ChangeFields::Restore { generation, shares } => Self::Restore { generation, shares },
            ChangeFields::Redraw {} => Self::Redraw,
        }
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ChangeFields::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ChangeFields::deserialize(deserializer).map(Self::from)
    }
}

/// Refuses a map that names a version twice. A plain map would silently take one of the two weights.
fn unique_weights<'de, D>(deserializer: D) -> Result<BTreeMap<VersionName, Weight>, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_map(UniqueWeightsVisitor)
}

struct UniqueWeightsVisitor;

impl<'de> Visitor<'de> for UniqueWeightsVisitor {
    type Value = BTreeMap<VersionName, Weight>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from versions to weights")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut weights = BTreeMap::new();
        while let Some((version, weight)) = entries.next_entry::<VersionName, Weight>()? {
            if weights.contains_key(&version) {
                return Err(A::Error::custom(format_args!("version {version} is named twice: name it once")));
            }
            weights.insert(version, weight);
        }
        Ok(weights)
    }
}
