//! Changes, as clients send them.
//!
//! Unknown fields are refused, so that a misspelled option is not lost.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::urls::{OneOrSeveral, UrlFields};
use crate::routing::backend::Backend;
use crate::routing::change::Change;
use crate::routing::health_path::HealthPath;
use crate::routing::instances::Instances;
use crate::routing::mirror_share::MirrorShare;
use crate::routing::name::VersionName;
use crate::routing::registration::Registration;
use crate::routing::service_settings::ServiceSettings;
use crate::routing::url_change::UrlChange;
use crate::routing::version::VersionShare;
use crate::routing::weight::Weight;

/// The fields of a registration. The base URLs stand in one of two forms.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RegistrationFields {
    version: VersionName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<Backend>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    urls: Option<Instances>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<Weight>,
    #[serde(default = "active_by_default")]
    active: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    health_path: Option<HealthPath>,
}

/// The default of `active`.
const fn active_by_default() -> bool {
    true
}

impl From<&Registration> for RegistrationFields {
    fn from(registration: &Registration) -> Self {
        let Registration { version, instances, weight, active, health_path } = registration.clone();
        let OneOrSeveral { url, urls } = instances.into();
        Self { version, url, urls, weight, active, health_path }
    }
}

impl RegistrationFields {
    /// Converts the fields. It is an error if the base URLs are there in neither form or in both.
    fn into_registration<E: Error>(self) -> Result<Registration, E> {
        let Self { version, url, urls, weight, active, health_path } = self;
        let instances = OneOrSeveral { url, urls }.into_instances()?;
        Ok(Registration { version, instances, weight, active, health_path })
    }
}

impl Serialize for Registration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RegistrationFields::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Registration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RegistrationFields::deserialize(deserializer)?.into_registration()
    }
}

/// A mirror as a change names it: without fields that a later release may add to a stored one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMirror {
    version: VersionName,
    share: Weight,
}

impl From<MirrorShare> for NewMirror {
    fn from(MirrorShare { version, share }: MirrorShare) -> Self {
        Self { version, share }
    }
}

impl From<NewMirror> for MirrorShare {
    fn from(mirror: NewMirror) -> Self {
        Self::new(mirror.version, mirror.share)
    }
}

/// A time in milliseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
struct Millis(#[serde(with = "crate::common::millis")] SystemTime);

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
    /// What an earlier release wrote for [`SetUrls`](Self::SetUrls).
    #[serde(skip_serializing)]
    SetUrl {
        version: VersionName,
        url: Backend,
    },
    SetUrls {
        version: VersionName,
        urls: Instances,
    },
    AddUrls {
        version: VersionName,
        urls: Instances,
    },
    RemoveUrls {
        version: VersionName,
        urls: Instances,
    },
    #[serde(rename_all = "camelCase")]
    Update {
        version: VersionName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<Backend>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        urls: Option<Instances>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        add_urls: Option<Instances>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remove_urls: Option<Instances>,
        active: bool,
        #[serde(default)]
        force: bool,
    },
    Remove {
        version: VersionName,
    },
    #[serde(rename_all = "camelCase")]
    SetHealthPath {
        // With a function of its own, serde refuses a missing field. `null` removes the path.
        #[serde(deserialize_with = "Option::deserialize")]
        health_path: Option<HealthPath>,
    },
    SetMirror {
        // With a function of its own, serde refuses a missing field. `null` ends the mirror.
        #[serde(deserialize_with = "Option::deserialize")]
        mirror: Option<NewMirror>,
    },
    #[serde(rename_all = "camelCase")]
    Restore {
        generation: u64,
        #[serde(default)]
        shares: Vec<VersionShare>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        settings: Option<ServiceSettings>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recorded_at: Option<Millis>,
    },
    // With braces: serde refuses unknown fields of this form only.
    Redraw {},
    RemoveService {
        #[serde(default)]
        force: bool,
    },
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
            Change::ChangeUrls { version, urls: UrlChange::Set(urls) } => Self::SetUrls { version, urls },
            Change::ChangeUrls { version, urls: UrlChange::Add(urls) } => Self::AddUrls { version, urls },
            Change::ChangeUrls { version, urls: UrlChange::Remove(urls) } => {
                Self::RemoveUrls { version, urls }
            }
            Change::Update { version, urls, active, force } => {
                let UrlFields { set: OneOrSeveral { url, urls }, add_urls, remove_urls } = urls.into();
                Self::Update { version, url, urls, add_urls, remove_urls, active, force }
            }
            Change::Remove { version } => Self::Remove { version },
            Change::SetHealthPath { path } => Self::SetHealthPath { health_path: path },
            Change::SetMirror { mirror } => Self::SetMirror { mirror: mirror.map(NewMirror::from) },
            Change::Restore { generation, shares, settings, recorded_at } => {
                Self::Restore { generation, shares, settings, recorded_at: recorded_at.map(Millis) }
            }
            Change::Redraw => Self::Redraw {},
            Change::RemoveService { force } => Self::RemoveService { force },
        }
    }
}

impl ChangeFields {
    /// Converts the fields of any change, with the errors of its base URLs.
    fn into_change<E: Error>(self) -> Result<Change, E> {
        Ok(match self {
            Self::Register(registration) => Change::Register(registration.into_registration()?),
            Self::SetWeight { version, weight } => Change::SetWeight { version, weight },
            Self::SetWeights { weights } => Change::SetWeights(weights),
            Self::Switch { version } => Change::Switch { version },
            Self::Activate { version } => Change::activate(version),
            Self::Deactivate { version, force } => Change::SetActive { version, active: false, force },
            Self::SetUrl { version, url } => Change::set_url(version, url),
            Self::SetUrls { version, urls } => Change::set_urls(version, urls),
            Self::AddUrls { version, urls } => Change::add_urls(version, urls),
            Self::RemoveUrls { version, urls } => Change::remove_urls(version, urls),
            Self::Update { version, url, urls, add_urls, remove_urls, active, force } => {
                let fields = UrlFields { set: OneOrSeveral { url, urls }, add_urls, remove_urls };
                Change::Update { version, urls: fields.into_url_change()?, active, force }
            }
            Self::Remove { version } => Change::Remove { version },
            Self::SetHealthPath { health_path } => Change::SetHealthPath { path: health_path },
            Self::SetMirror { mirror } => Change::SetMirror { mirror: mirror.map(MirrorShare::from) },
            Self::Restore { generation, shares, settings, recorded_at } => {
                let recorded_at = recorded_at.map(|Millis(at)| at);
                Change::Restore { generation, shares, settings, recorded_at }
            }
            Self::Redraw {} => Change::Redraw,
            Self::RemoveService { force } => Change::RemoveService { force },
        })
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ChangeFields::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ChangeFields::deserialize(deserializer)?.into_change()
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
