//! Bodies of requests that change a split.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::reason::ChangeReason;
use crate::routing::{Backend, HealthPath, VersionName, Weight};

/// Sets the weight of one version: `PUT /deployment/services/{service}/versions/{version}/weight`.
///
/// The other active versions share the rest in proportion to their weights.
///
/// ```
/// use tower_canary::api::SetWeight;
///
/// let body = SetWeight::new("10".parse()?).with_reason("first step".parse()?);
/// assert_eq!(serde_json::to_string(&body)?, r#"{"weight":10.0,"reason":"first step"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct SetWeight {
    /// The weight in percent, with at most two decimals.
    #[cfg_attr(feature = "admin", schema(minimum = 0, maximum = 100, example = 10))]
    pub weight: f64,
    /// Why the change is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ChangeReason>,
}

/// Sets all weights of a split: `PUT /deployment/services/{service}/weights`.
///
/// ```
/// use tower_canary::api::SetWeights;
///
/// let body = SetWeights::new([("v1.0".parse()?, "70".parse()?), ("v1.1".parse()?, "30".parse()?)]);
/// assert_eq!(serde_json::to_string(&body)?, r#"{"weights":{"v1.0":70.0,"v1.1":30.0}}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct SetWeights {
    /// The weights in percent by version, 100 in total. An active version that is left out gets 0.
    #[serde(deserialize_with = "unique_versions")]
    #[cfg_attr(feature = "admin", schema(example = json!({"v1.0": 70, "v1.1": 30})))]
    pub weights: BTreeMap<String, f64>,
    /// Why the change is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ChangeReason>,
}

/// Registers a version: `POST /routing/services/{service}/versions`. The first version creates the service.
///
/// ```
/// use tower_canary::api::RegisterVersion;
///
/// let body = RegisterVersion::new(&"v1.1".parse()?, &"http://10.0.0.2:8080".parse()?)
///     .with_weight("5".parse()?)
///     .with_health_path(&"/healthz".parse()?);
/// let json = r#"{"version":"v1.1","url":"http://10.0.0.2:8080","weight":5.0,"healthPath":"/healthz"}"#;
/// assert_eq!(serde_json::to_string(&body)?, json);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RegisterVersion {
    /// The name of the version.
    #[cfg_attr(feature = "admin", schema(example = "v1.1"))]
    pub version: String,
    /// The base URL of the version.
    #[cfg_attr(feature = "admin", schema(example = "http://10.0.0.2:8080"))]
    pub url: String,
    /// The weight in percent. Default: 100 for the first active version, 0 for a later one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(minimum = 0, maximum = 100))]
    pub weight: Option<f64>,
    /// Whether the version may get traffic. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// The path of health probes, below the base URL of each version of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(example = "/healthz"))]
    pub health_path: Option<String>,
    /// Why the change is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ChangeReason>,
}

/// Changes a version: `PUT /routing/services/{service}/versions/{version}`. At least one of `active` and
/// `url` is needed.
///
/// ```
/// use tower_canary::api::UpdateVersion;
///
/// let body = UpdateVersion::new().with_active(false);
/// assert_eq!(serde_json::to_string(&body)?, r#"{"active":false}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct UpdateVersion {
    /// Whether the version may get traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// The new base URL of the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Why the change is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ChangeReason>,
}

/// Brings back the weights and active flags of an earlier generation: `POST
/// /deployment/services/{service}/restore`.
///
/// ```
/// use tower_canary::api::RestoreGeneration;
///
/// assert_eq!(serde_json::to_string(&RestoreGeneration::new(41))?, r#"{"generation":41}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RestoreGeneration {
    /// The generation to restore.
    #[cfg_attr(feature = "admin", schema(example = 41))]
    pub generation: u64,
    /// Why the change is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ChangeReason>,
}

/// The body of a change that has no other fields: switch, redraw and remove. It may be left out.
///
/// ```
/// use tower_canary::api::PlainChange;
///
/// let body = PlainChange::new().with_reason("v1.1 responds with 500".parse()?);
/// assert_eq!(serde_json::to_string(&body)?, r#"{"reason":"v1.1 responds with 500"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct PlainChange {
    /// Why the change is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ChangeReason>,
}

macro_rules! with_reason {
    ($($request:ident),*) => {$(
        impl $request {
            /// Adds a reason, which the history shows.
            #[must_use]
            pub fn with_reason(self, reason: ChangeReason) -> Self {
                Self { reason: Some(reason), ..self }
            }
        }
    )*};
}

with_reason!(SetWeight, SetWeights, RegisterVersion, UpdateVersion, RestoreGeneration, PlainChange);

// === impl SetWeight ===

impl SetWeight {
    /// Creates a request that gives a version this weight.
    #[must_use]
    pub fn new(weight: Weight) -> Self {
        Self { weight: weight.percent(), reason: None }
    }
}

// === impl SetWeights ===

impl SetWeights {
    /// Creates a request with these weights, which must total 100.
    #[must_use]
    pub fn new(weights: impl IntoIterator<Item = (VersionName, Weight)>) -> Self {
        let weights = weights.into_iter().map(|(version, weight)| (version.to_string(), weight.percent()));
        Self { weights: weights.collect(), reason: None }
    }
}

/// Reads weights by version and refuses a version that is named twice: it is not known which of both weights
/// is meant.
fn unique_versions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
    deserializer.deserialize_map(UniqueVersions)
}

struct UniqueVersions;

impl<'de> Visitor<'de> for UniqueVersions {
    type Value = BTreeMap<String, f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a weight for each version")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut weights = BTreeMap::new();
        while let Some((version, weight)) = entries.next_entry::<String, f64>()? {
            if weights.insert(version, weight).is_some() {
                return Err(Error::custom("a version is named twice"));
            }
        }
        Ok(weights)
    }
}

// === impl RegisterVersion ===

impl RegisterVersion {
    /// Creates a request for an active version that gets no traffic, unless it is the first of its service.
    #[must_use]
    pub fn new(version: &VersionName, url: &Backend) -> Self {
        Self {
            version: version.to_string(),
            url: url.to_string(),
            weight: None,
            active: None,
            health_path: None,
            reason: None,
        }
    }

    /// Sets the weight that the version gets immediately.
    #[must_use]
    pub fn with_weight(self, weight: Weight) -> Self {
        Self { weight: Some(weight.percent()), ..self }
    }

    /// Sets whether the version may get traffic.
    #[must_use]
    pub fn with_active(self, active: bool) -> Self {
        Self { active: Some(active), ..self }
    }

    /// Sets the path of health probes for all versions of the service.
    #[must_use]
    pub fn with_health_path(self, health_path: &HealthPath) -> Self {
        Self { health_path: Some(health_path.as_str().to_owned()), ..self }
    }
}

// === impl UpdateVersion ===

impl UpdateVersion {
    /// Creates a request that changes nothing yet. The server refuses it in this form.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether the version may get traffic.
    #[must_use]
    pub fn with_active(self, active: bool) -> Self {
        Self { active: Some(active), ..self }
    }

    /// Sets another base URL.
    #[must_use]
    pub fn with_url(self, url: &Backend) -> Self {
        Self { url: Some(url.to_string()), ..self }
    }
}

// === impl RestoreGeneration ===

impl RestoreGeneration {
    /// Creates a request that restores `generation`.
    #[must_use]
    pub const fn new(generation: u64) -> Self {
        Self { generation, reason: None }
    }
}

// === impl PlainChange ===

impl PlainChange {
    /// Creates a body without a reason.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}
