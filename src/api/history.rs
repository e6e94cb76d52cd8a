//! Changes that were made and changes that were refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::percent::Percent;
use super::split::MirrorView;
use super::timestamp::Timestamp;
use crate::routing::{Backend, HealthPath, ServiceName, ServiceSettings, VersionName, VersionShare};
use crate::store::{ActorKind, HistoryEntry, Refusal};

/// One page of the changes of a service, latest first: the response of
/// `GET /deployment/services/{service}/history`.
///
/// ```
/// use tower_canary::api::HistoryPage;
///
/// let json = r#"{
///     "service": "auth", "nextBefore": 8,
///     "history": [{
///         "generation": 8, "actor": "alice", "actorKind": "person", "requestId": "7f3a", "reason": null,
///         "change": "set-urls", "version": "v1.1",
///         "before": {"v1.1": {"weight": 100, "isActive": true, "urls": ["http://10.0.0.1:8080"]}},
///         "after": {"v1.1": {"weight": 100, "isActive": true, "urls": ["http://10.0.0.2:8080"]}},
///         "settingsBefore": {"healthPath": null, "pinEpoch": 0},
///         "settingsAfter": {"healthPath": null, "pinEpoch": 0},
///         "at": "2026-01-05T09:30:00.000Z"
///     }]
/// }"#;
/// let page: HistoryPage = serde_json::from_str(json)?;
/// assert_eq!(page.history[0].request.actor, "alice");
/// assert_eq!(page.history[0].after["v1.1"].weight.to_string(), "100");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct HistoryPage {
    /// The name of the service.
    #[cfg_attr(feature = "admin", schema(example = "auth"))]
    pub service: String,
    /// The changes.
    pub history: Vec<HistoryEntryView>,
    /// The value of `?before=` for the next page. `null`: this is the last page.
    pub next_before: Option<u64>,
    /// On the first page: the last 50 changes that were refused, latest first. Left out on later pages. All of them are at
    /// `/refusals`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Vec<RefusalView>>,
}

/// One page of the refused changes of a service, latest first: the response of
/// `GET /deployment/services/{service}/refusals`.
///
/// ```
/// use tower_canary::api::RefusalPage;
///
/// let page: RefusalPage = serde_json::from_str(r#"{"service": "auth", "refused": [], "nextBefore": null}"#)?;
/// assert!(page.refused.is_empty() && page.next_before.is_none());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RefusalPage {
    /// The name of the service. It need not exist.
    #[cfg_attr(feature = "admin", schema(example = "auth"))]
    pub service: String,
    /// The refused changes.
    pub refused: Vec<RefusalView>,
    /// The value of `?before=` for the next page. `null`: this is the last page.
    pub next_before: Option<u64>,
}

/// The common part of applied and refused changes: who requested which kind of change, and why.
///
/// See [`HistoryPage`] for an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RequestedChange {
    /// The subject of the credentials with which the change was requested.
    #[cfg_attr(feature = "admin", schema(example = "alice"))]
    pub actor: String,
    /// The kind of the actor: `person`, `application` or `rollout`. `null`: an earlier release recorded the change, or a later
    /// one that has more kinds.
    #[cfg_attr(feature = "admin", schema(example = "person"))]
    pub actor_kind: Option<String>,
    /// The header `X-Request-Id` of the request. `null`: the request did not have it.
    #[cfg_attr(feature = "admin", schema(example = "7f3a9c"))]
    pub request_id: Option<String>,
    /// The reason that the request gave.
    pub reason: Option<String>,
    /// The kind of change.
    #[cfg_attr(feature = "admin", schema(example = "set-weight"))]
    pub change: String,
    /// The version that the change names. `null`: it names none, or several.
    pub version: Option<String>,
}

/// A change that was made.
///
/// See [`HistoryPage`] for an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct HistoryEntryView {
    /// The generation of the split after the change.
    pub generation: u64,
    /// The request. In JSON its fields stand beside the others.
    #[serde(flatten)]
    pub request: RequestedChange,
    /// The split before the change, by version.
    pub before: BTreeMap<String, ShareView>,
    /// The split after the change, by version.
    pub after: BTreeMap<String, ShareView>,
    /// The settings of the service before the change. Left out if an earlier release recorded the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings_before: Option<SettingsView>,
    /// The settings of the service after the change. Left out if an earlier release recorded the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings_after: Option<SettingsView>,
    /// When the change was made.
    #[cfg_attr(feature = "admin", schema(value_type = String, format = "date-time"))]
    pub at: Timestamp,
}

/// A change that was refused.
///
/// See [`HistoryPage`] for an example of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RefusalView {
    /// The number of the refusal. A later one has a greater number.
    pub id: u64,
    /// The request. In JSON its fields stand beside the others.
    #[serde(flatten)]
    pub request: RequestedChange,
    /// A description of the requested change.
    #[cfg_attr(feature = "admin", schema(example = "set-weight v1.1 to 10 %"))]
    pub asked: String,
    /// The generation that the gateway served then. `null`: it served no such service.
    pub generation: Option<u64>,
    /// The split that the gateway served then, by version.
    pub split: BTreeMap<String, ShareView>,
    /// Why the change was refused, and how to change the request.
    pub why: String,
    /// When the change was refused.
    #[cfg_attr(feature = "admin", schema(value_type = String, format = "date-time"))]
    pub at: Timestamp,
}

/// The weight, the active flag and the base URLs of a version at one time.
///
/// See [`HistoryPage`] for an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ShareView {
    /// The version's share of the traffic.
    pub weight: Percent,
    /// Whether the version could get traffic.
    pub is_active: bool,
    /// The base URLs of the version. Left out if an earlier release recorded the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(example = json!(["http://10.0.0.2:8080"])))]
    pub urls: Option<Vec<String>>,
}

/// What a service has beside its versions, at one time.
///
/// See [`HistoryPage`] for an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct SettingsView {
    /// The path of health probes. `null`: the base URL itself was probed.
    #[cfg_attr(feature = "admin", schema(example = "/healthz"))]
    pub health_path: Option<String>,
    /// How often all pins were invalidated.
    pub pin_epoch: u64,
    /// Which version got copies of requests. `null`: none did, or an earlier release recorded the change.
    #[serde(default)]
    pub mirror: Option<MirrorView>,
}

// === impl HistoryPage ===

impl HistoryPage {
    /// Creates a page that is the last one and shows no refused changes.
    #[must_use]
    pub fn new(service: &ServiceName, entries: Vec<HistoryEntry>) -> Self {
        let history = entries.into_iter().map(HistoryEntryView::from).collect();
        Self { service: service.to_string(), history, next_before: None, refused: None }
    }
}

// === impl RefusalPage ===

impl RefusalPage {
    /// Creates a page that is the last one.
    #[must_use]
    pub fn new(service: &ServiceName, refusals: Vec<Refusal>) -> Self {
        let refused = refusals.into_iter().map(RefusalView::from).collect();
        Self { service: service.to_string(), refused, next_before: None }
    }
}

// === impl HistoryEntryView ===

impl From<HistoryEntry> for HistoryEntryView {
    fn from(entry: HistoryEntry) -> Self {
        Self {
            generation: entry.generation,
            request: RequestedChange {
                actor: entry.actor,
                actor_kind: word(entry.actor_kind),
                request_id: entry.request_id,
                reason: entry.reason,
                change: entry.kind,
                version: entry.version.as_ref().map(VersionName::to_string),
            },
            before: shares(&entry.before),
            after: shares(&entry.after),
            settings_before: entry.settings_before.as_ref().map(SettingsView::from),
            settings_after: entry.settings_after.as_ref().map(SettingsView::from),
            at: entry.at.into(),
        }
    }
}

// === impl RefusalView ===

impl From<Refusal> for RefusalView {
    fn from(refusal: Refusal) -> Self {
        Self {
            id: refusal.id,
            request: RequestedChange {
                actor: refusal.actor,
                actor_kind: word(refusal.actor_kind),
                request_id: refusal.request_id,
                reason: refusal.reason,
                change: refusal.kind,
                version: refusal.version.as_ref().map(VersionName::to_string),
            },
            asked: refusal.asked,
            generation: refusal.generation,
            split: shares(&refusal.shares),
            why: refusal.why,
            at: refusal.at.into(),
        }
    }
}

// === impl ShareView ===

impl From<&VersionShare> for ShareView {
    fn from(share: &VersionShare) -> Self {
        let urls = share.instances.as_ref().map(|urls| urls.iter().map(Backend::to_string).collect());
        Self { weight: share.weight.into(), is_active: share.active, urls }
    }
}

// === impl SettingsView ===

impl From<&ServiceSettings> for SettingsView {
    fn from(settings: &ServiceSettings) -> Self {
        let health_path = settings.health_path.as_ref().map(HealthPath::as_str).map(str::to_owned);
        let mirror = settings.mirror.as_ref().map(MirrorView::from);
        Self { health_path, pin_epoch: settings.pin_epoch, mirror }
    }
}

/// Returns the word for the kind of an actor, if the kind is known.
fn word(kind: Option<ActorKind>) -> Option<String> {
    kind.map(|kind| kind.as_str().to_owned())
}

/// Returns the shares by version.
fn shares(shares: &[VersionShare]) -> BTreeMap<String, ShareView> {
    shares.iter().map(|share| (share.version.to_string(), share.into())).collect()
}
