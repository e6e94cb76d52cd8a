//! Changes that were made and changes that were refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::percent::Percent;
use super::timestamp::Timestamp;
use crate::routing::{ServiceName, VersionName, VersionShare};
use crate::store::{HistoryEntry, Refusal};

/// One page of the changes of a service, latest first: the response of
/// `GET /deployment/services/{service}/history`.
///
/// ```
/// use tower_canary::api::HistoryPage;
///
/// let json = r#"{
///     "service": "auth", "nextBefore": 8,
///     "history": [{
///         "generation": 8, "actor": "alice", "reason": null, "change": "set-weight", "version": "v1.1",
///         "before": {"v1.1": {"weight": 0, "isActive": true}},
///         "after": {"v1.1": {"weight": 100, "isActive": true}},
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
    /// On the first page: the last 50 changes that were refused, latest first. Left out on later pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Vec<RefusalView>>,
}

/// The common part of applied and refused changes: who requested which kind of change, and why.
///
/// See [`HistoryPage`] for an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RequestedChange {
    /// The subject of the credentials with which the change was requested.
    #[cfg_attr(feature = "admin", schema(example = "alice"))]
    pub actor: String,
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

/// The weight and the active flag of a version at one time.
///
/// See [`HistoryPage`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ShareView {
    /// The version's share of the traffic.
    pub weight: Percent,
    /// Whether the version could get traffic.
    pub is_active: bool,
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

// === impl HistoryEntryView ===

impl From<HistoryEntry> for HistoryEntryView {
    fn from(entry: HistoryEntry) -> Self {
        Self {
            generation: entry.generation,
            request: RequestedChange {
                actor: entry.actor,
                reason: entry.reason,
                change: entry.kind,
                version: entry.version.as_ref().map(VersionName::to_string),
            },
            before: shares(&entry.before),
            after: shares(&entry.after),
            at: entry.at.into(),
        }
    }
}

// === impl RefusalView ===

impl From<Refusal> for RefusalView {
    fn from(refusal: Refusal) -> Self {
        Self {
            request: RequestedChange {
                actor: refusal.actor,
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
        Self { weight: share.weight.into(), is_active: share.active }
    }
}

fn shares(shares: &[VersionShare]) -> BTreeMap<String, ShareView> {
    shares.iter().map(|share| (share.version.to_string(), share.into())).collect()
}
