//! Splits and their versions.

use serde::{Deserialize, Serialize};

use super::percent::Percent;
use super::timestamp::Timestamp;
use crate::routing::{Split, Version};

/// All services: the response of `GET /deployment/services`.
///
/// See [`SplitView`] for an example of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ServiceList {
    /// The splits of the services, in the order of their names.
    pub services: Vec<SplitView>,
}

/// The split of one service: the response of `GET /deployment/services/{service}/versions`.
///
/// ```
/// use tower_canary::api::SplitView;
/// use tower_canary::routing::{Change, Split};
///
/// let at = std::time::SystemTime::now();
/// let register = Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?);
/// let split = Split::new("auth".parse()?, 7).apply(&register, at)?;
///
/// let view = SplitView::from(&split);
/// assert_eq!(view.versions[0].weight.to_string(), "100");
///
/// // The client reads the same from the response.
/// let json = serde_json::to_string(&view)?;
/// assert_eq!(serde_json::from_str::<SplitView>(&json)?, view);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct SplitView {
    /// The name of the service.
    #[cfg_attr(feature = "admin", schema(example = "auth"))]
    pub service: String,
    /// The number of changes of the split so far. A write with `If-Match: "<generation>"` is refused at any
    /// other.
    pub generation: u64,
    /// The path of health probes, below the base URL of each version. `null`: the base URL itself is probed.
    pub health_path: Option<String>,
    /// The versions, oldest first.
    pub versions: Vec<VersionView>,
}

/// One version of a service.
///
/// See [`SplitView`] for an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct VersionView {
    /// The identity of the version. A version that is removed and registered again gets another one.
    #[cfg_attr(feature = "admin", schema(format = "uuid"))]
    pub id: String,
    /// The name of the version.
    #[cfg_attr(feature = "admin", schema(example = "v1.1"))]
    pub version: String,
    /// The base URL of the version.
    #[cfg_attr(feature = "admin", schema(example = "http://10.0.0.2:8080"))]
    pub url: String,
    /// The version's share of the traffic. An inactive version has 0.
    pub weight: Percent,
    /// Whether the version may get traffic.
    pub is_active: bool,
    /// When the version was registered.
    #[cfg_attr(feature = "admin", schema(value_type = String, format = "date-time"))]
    pub created_at: Timestamp,
    /// When the version was changed last.
    #[cfg_attr(feature = "admin", schema(value_type = String, format = "date-time"))]
    pub updated_at: Timestamp,
}

// === impl ServiceList ===

impl FromIterator<SplitView> for ServiceList {
    fn from_iter<I: IntoIterator<Item = SplitView>>(services: I) -> Self {
        Self { services: services.into_iter().collect() }
    }
}

// === impl SplitView ===

impl From<&Split> for SplitView {
    fn from(split: &Split) -> Self {
        Self {
            service: split.service().to_string(),
            generation: split.generation(),
            health_path: split.health_path().map(|path| path.as_str().to_owned()),
            versions: split.versions().iter().map(VersionView::from).collect(),
        }
    }
}

// === impl VersionView ===

impl From<&Version> for VersionView {
    fn from(version: &Version) -> Self {
        Self {
            id: version.id.to_string(),
            version: version.name.to_string(),
            url: version.backend().to_string(),
            weight: version.weight.into(),
            is_active: version.active,
            created_at: version.created_at.into(),
            updated_at: version.updated_at.into(),
        }
    }
}
