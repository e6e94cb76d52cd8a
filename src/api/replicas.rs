//! Gateways that share a store, and how far each has followed it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::deployments::Freshness;
use crate::store::Replica;

/// How fresh the routes of one gateway are: the response of `GET /deployment/status`.
///
/// ```
/// use tower_canary::api::StatusView;
/// use tower_canary::{Deployments, Draw};
///
/// let deployments = Deployments::in_memory(Draw::Exact);
/// let status = StatusView::from(deployments.freshness());
/// assert!(status.broken.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct StatusView {
    /// The revision of the store that the gateway serves, or a later one.
    pub revision: u64,
    /// The time since the gateway last knew that this is the store's latest revision, in milliseconds.
    pub age_ms: u64,
    /// Whether the gateway serves its saved snapshot because the store was not read since the start.
    pub from_cache: bool,
    /// The services whose stored splits cannot be read. Their last good routes stay in use; the gateway's log
    /// has the cause.
    pub broken: Vec<String>,
}

/// The gateways that share the store: the response of `GET /deployment/replicas`.
///
/// ```
/// use std::time::Duration;
/// use tower_canary::api::ReplicaList;
/// use tower_canary::store::{Replica, Report};
///
/// let first = Replica::new(Report::new("1", "gateway-1", 7), Duration::ZERO);
/// let second = Replica::new(Report::new("2", "gateway-2", 6), Duration::ZERO);
/// let list = ReplicaList::new(vec![first, second], Some("1"));
/// assert!(list.revision == 7 && !list.converged);
/// assert!(list.replicas[0].is_this);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ReplicaList {
    /// The latest revision that any of them serves.
    pub revision: u64,
    /// Whether all of them serve it.
    pub converged: bool,
    /// The gateways, in the order of their names.
    pub replicas: Vec<ReplicaView>,
}

/// One gateway among those that share the store.
///
/// See [`ReplicaList`] for an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ReplicaView {
    /// The identity of the process. It is another one after each start.
    pub id: String,
    /// The name under which the gateway reports.
    #[cfg_attr(feature = "admin", schema(example = "gateway-1"))]
    pub name: String,
    /// The revision of the store that the gateway serves, or a later one.
    pub revision: u64,
    /// The time since its last report, in milliseconds.
    pub seen_ms: u64,
    /// Whether it is the gateway that sent this response.
    pub is_this: bool,
}

// === impl StatusView ===

impl From<Freshness> for StatusView {
    fn from(freshness: Freshness) -> Self {
        Self {
            revision: freshness.revision,
            age_ms: milliseconds(freshness.age),
            from_cache: freshness.from_cache,
            broken: freshness.broken.into_iter().map(|broken| broken.service).collect(),
        }
    }
}

// === impl ReplicaList ===

impl ReplicaList {
    /// Lists `replicas` as the gateway with the id `this` sees them. `None`: the gateway does not report.
    #[must_use]
    pub fn new(replicas: Vec<Replica>, this: Option<&str>) -> Self {
        let revision = replicas.iter().map(|replica| replica.revision).max().unwrap_or(0);
        let converged = replicas.iter().all(|replica| replica.revision == revision);
        let replicas = replicas.into_iter().map(|replica| ReplicaView::new(replica, this)).collect();
        Self { revision, converged, replicas }
    }
}

// === impl ReplicaView ===

impl ReplicaView {
    fn new(replica: Replica, this: Option<&str>) -> Self {
        Self {
            is_this: Some(replica.id.as_str()) == this,
            id: replica.id,
            name: replica.name,
            revision: replica.revision,
            seen_ms: milliseconds(replica.seen),
        }
    }
}

/// Returns the whole milliseconds of `time`, for fields whose names end in `Ms`.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
