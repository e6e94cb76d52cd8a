//! What is sent to the API.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::store::MAX_REASON;

/// Why a change is made: at most 1,000 characters, no control characters.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, max_length = 1000)]
pub(super) struct Reason(pub(super) String);

/// A new weight of one version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetWeight {
    /// In percent, with up to two decimals.
    #[schema(minimum = 0, maximum = 100, example = 10)]
    pub(super) weight: f64,
    pub(super) reason: Option<Reason>,
}

/// The weights of a whole split.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetWeights {
    /// In percent by version, 100 in total. Active versions left out get 0.
    #[serde(deserialize_with = "each_once")]
    #[schema(example = json!({"v1.0": 70, "v1.1": 30}))]
    pub(super) weights: BTreeMap<String, f64>,
    pub(super) reason: Option<Reason>,
}

/// A version to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Register {
    /// What it is called.
    #[schema(example = "v1.1")]
    pub(super) version: String,
    /// Its base URL.
    #[schema(example = "http://10.0.0.2:8080")]
    pub(super) url: String,
    /// The share it takes at once, in percent: by default 100 for the first active version, 0 for a later one.
    #[schema(minimum = 0, maximum = 100)]
    pub(super) weight: Option<f64>,
    /// Whether it is in service: by default it is.
    pub(super) active: Option<bool>,
    /// Where the service's versions answer health probes.
    #[schema(example = "/healthz")]
    pub(super) health_path: Option<String>,
    pub(super) reason: Option<Reason>,
}

/// What to change of a version: at least one of `active` and `url`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Update {
    /// Into service or out of it.
    pub(super) active: Option<bool>,
    /// Its new base URL.
    pub(super) url: Option<String>,
    pub(super) reason: Option<Reason>,
}

/// Which generation to bring back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Restore {
    #[schema(example = 41)]
    pub(super) generation: u64,
    pub(super) reason: Option<Reason>,
}

/// Why. The body may be left out altogether.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    pub(super) reason: Option<Reason>,
}

impl TryFrom<String> for Reason {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text.chars().nth(MAX_REASON).is_some() {
            return Err("a reason has at most 1,000 characters");
        }
        if text.contains(char::is_control) {
            return Err("a reason has no control characters, such as line breaks");
        }
        Ok(Self(text))
    }
}

/// A map that names no key twice. Where one does, it is not for us to choose which of its values was meant.
fn each_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
    struct EachOnce;

    impl<'de> Visitor<'de> for EachOnce {
        type Value = BTreeMap<String, f64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("weights by version")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((key, value)) = entries.next_entry::<String, f64>()? {
                if map.insert(key, value).is_some() {
                    return Err(Error::custom("a version is named twice"));
                }
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(EachOnce)
}
