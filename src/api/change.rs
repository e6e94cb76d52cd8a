//! Bodies of requests that change a split, except those that change one version.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::reason::ChangeReason;
use crate::routing::{HealthPath, MirrorShare, VersionName, Weight};

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

/// Copies a share of the requests to one version: `PUT /deployment/services/{service}/mirror`.
///
/// ```
/// use tower_canary::api::SetMirror;
/// use tower_canary::routing::MirrorShare;
///
/// let body = SetMirror::new(&MirrorShare::new("v1.1".parse()?, "10".parse()?));
/// assert_eq!(serde_json::to_string(&body)?, r#"{"version":"v1.1","percent":10.0}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct SetMirror {
    /// The active version that gets the copies.
    #[cfg_attr(feature = "admin", schema(example = "v1.1"))]
    pub version: String,
    /// The share of the requests that are copied, in percent, with at most two decimals.
    #[cfg_attr(feature = "admin", schema(minimum = 0.01, maximum = 100, example = 10))]
    pub percent: f64,
    /// Why the change is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ChangeReason>,
}

/// Changes a service beside its versions: `PUT /routing/services/{service}`.
///
/// ```
/// use tower_canary::api::UpdateService;
///
/// let body = UpdateService::new(Some(&"/healthz".parse()?));
/// assert_eq!(serde_json::to_string(&body)?, r#"{"healthPath":"/healthz"}"#);
/// assert_eq!(serde_json::to_string(&UpdateService::new(None))?, r#"{"healthPath":null}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct UpdateService {
    /// The path of health probes, below the base URL of each version. `null`: the base URL itself is probed.
    // With a function of its own, serde refuses a missing field, which could mean "no change" as well as "no path".
    #[serde(deserialize_with = "Option::deserialize")]
    #[cfg_attr(feature = "admin", schema(required = true, example = "/healthz"))]
    pub health_path: Option<String>,
    /// Why the change is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ChangeReason>,
}

/// Brings back an earlier generation, with its weights, active flags, base URLs, health path and mirror: `POST
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

/// The body of a change that has no other fields: switch, redraw, remove, remove a mirror and remove a service. It may be
/// left out.
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

with_reason!(SetWeight, SetWeights, SetMirror, UpdateService, RestoreGeneration, PlainChange);

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

// === impl SetMirror ===

impl SetMirror {
    /// Creates a request that sets this mirror.
    #[must_use]
    pub fn new(mirror: &MirrorShare) -> Self {
        Self { version: mirror.version.to_string(), percent: mirror.share.percent(), reason: None }
    }
}

// === impl UpdateService ===

impl UpdateService {
    /// Creates a request that sets the path of health probes. `None`: the base URL itself is probed.
    #[must_use]
    pub fn new(health_path: Option<&HealthPath>) -> Self {
        Self { health_path: health_path.map(|path| path.as_str().to_owned()), reason: None }
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
