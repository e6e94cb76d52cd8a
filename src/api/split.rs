//! Splits and their versions.

use serde::{Deserialize, Serialize};

use super::health_event::HealthEventView;
use super::instance::VersionHealthView;
use super::percent::Percent;
use super::timestamp::Timestamp;
use crate::handle::VersionInstances;
use crate::routing::{Backend, LastChange, MirrorShare, Split, Version};

/// All services: the response of `GET /deployment/services`.
///
/// See [`SplitView`] for an example of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ServiceList {
    /// The splits of the services, in the order of their names.
    pub services: Vec<SplitView>,
    /// The `after` of the next page. `null`: this is the last page.
    #[cfg_attr(feature = "admin", schema(example = "auth"))]
    pub next_after: Option<String>,
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
    /// Which version gets copies of requests. `null`: none does.
    // Left out in a response of a release without mirrors.
    #[serde(default)]
    pub mirror: Option<MirrorView>,
    /// Who changed the service last. `null`: unknown, for example after a change of an earlier release.
    pub last_change: Option<LastChangeView>,
    /// The versions, oldest first.
    pub versions: Vec<VersionView>,
    /// With `?events=true`: the transitions of the service's instances among the last 100 of this gateway, latest first.
    /// Left out otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<HealthEventView>>,
}

/// Which version gets copies of requests, and of how many.
///
/// ```
/// use tower_canary::api::MirrorView;
/// use tower_canary::routing::MirrorShare;
///
/// let view = MirrorView::from(&MirrorShare::new("v1.1".parse()?, "10".parse()?));
/// assert_eq!(serde_json::to_string(&view)?, r#"{"version":"v1.1","percent":10}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct MirrorView {
    /// The version that gets the copies.
    #[cfg_attr(feature = "admin", schema(example = "v1.1"))]
    pub version: String,
    /// The share of the requests that are copied.
    pub percent: Percent,
}

/// Who changed a service last, and when.
///
/// See [`SplitView`] for an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct LastChangeView {
    /// The subject of the credentials with which the change was requested.
    #[cfg_attr(feature = "admin", schema(example = "alice"))]
    pub actor: String,
    /// When the change was made.
    #[cfg_attr(feature = "admin", schema(value_type = String, format = "date-time"))]
    pub at: Timestamp,
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
    /// The base URL that was registered first. `urls` has all of them.
    #[cfg_attr(feature = "admin", schema(example = "http://10.0.0.2:8080"))]
    pub url: String,
    /// The base URLs of the version's instances.
    // Empty in a response of a release that had one base URL for each version.
    #[serde(default)]
    #[cfg_attr(
        feature = "admin",
        schema(example = json!(["http://10.0.0.2:8080", "http://10.0.0.3:8080"]))
    )]
    pub urls: Vec<String>,
    /// The health of the instances at this gateway, in the response to a read of one service. In JSON its fields stand
    /// beside the others. Left out in other responses.
    #[serde(flatten)]
    pub health: Option<VersionHealthView>,
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
        Self { services: services.into_iter().collect(), next_after: None }
    }
}

// === impl SplitView ===

impl From<&Split> for SplitView {
    fn from(split: &Split) -> Self {
        Self {
            service: split.service().to_string(),
            generation: split.generation(),
            health_path: split.health_path().map(|path| path.as_str().to_owned()),
            mirror: split.mirror().map(MirrorView::from),
            last_change: split.last_change().map(LastChangeView::from),
            versions: split.versions().iter().map(VersionView::from).collect(),
            events: None,
        }
    }
}

impl SplitView {
    /// Adds the health of the instances. A version that is not among `observed` gets none.
    #[must_use]
    pub fn with_health(mut self, observed: &[VersionInstances]) -> Self {
        for version in &mut self.versions {
            let found = observed.iter().find(|observed| observed.id.to_string() == version.id);
            version.health = found.map(VersionHealthView::new);
        }
        self
    }
}

// === impl MirrorView ===

impl From<&MirrorShare> for MirrorView {
    fn from(mirror: &MirrorShare) -> Self {
        Self { version: mirror.version.to_string(), percent: mirror.share.into() }
    }
}

// === impl LastChangeView ===

impl From<&LastChange> for LastChangeView {
    fn from(last: &LastChange) -> Self {
        Self { actor: last.actor.clone(), at: last.at.into() }
    }
}

// === impl VersionView ===

impl From<&Version> for VersionView {
    fn from(version: &Version) -> Self {
        Self {
            id: version.id.to_string(),
            version: version.name.to_string(),
            url: version.backend().to_string(),
            urls: version.instances.iter().map(Backend::to_string).collect(),
            health: None,
            weight: version.weight.into(),
            is_active: version.active,
            created_at: version.created_at.into(),
            updated_at: version.updated_at.into(),
        }
    }
}
