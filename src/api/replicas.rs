//! Gateways that share a store, and how far each has followed it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::deployments::Deployments;
use crate::handle::RoutingHandle;
use crate::routing::{Backend, Reason};
use crate::store::{Draining, Replica};

/// How fresh the routes of one gateway are: the response of `GET /deployment/status`.
///
/// ```
/// use tower_canary::api::StatusView;
/// use tower_canary::{Deployments, Draw};
///
/// let deployments = Deployments::in_memory(Draw::Exact);
/// let status = StatusView::from(&deployments);
/// assert!(status.broken.is_empty() && !status.stale);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct StatusView {
    /// The name under which the gateway reports. `null`: it does not report.
    #[cfg_attr(feature = "admin", schema(example = "gateway-1"))]
    pub replica: Option<String>,
    /// The release of the crate that the gateway is built with.
    #[cfg_attr(feature = "admin", schema(example = "0.1.0"))]
    pub version: String,
    /// The revision of the store that the gateway serves: every change up to it, and possibly later ones.
    pub revision: u64,
    /// The time since the gateway last knew that this is the store's latest revision, in milliseconds.
    pub age_ms: u64,
    /// Whether the gateway does not follow the changes of other gateways: it serves its saved snapshot, or `ageMs` is more than
    /// three periods of reading the store, at least 5 seconds.
    pub stale: bool,
    /// Whether the gateway serves its saved snapshot because the store was not read since the start.
    pub from_cache: bool,
    /// The services whose stored splits cannot be read. Their last good routes stay in use; the gateway's log
    /// has the cause.
    pub broken: Vec<String>,
    /// The rules that keep users with a version or choose one, and whether there are rollouts.
    pub features: FeaturesView,
}

/// The rules that the gateway has besides the draw by weight, and its rollouts.
///
/// See [`StatusView`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct FeaturesView {
    /// Whether a cookie keeps users with their version.
    pub pin: bool,
    /// Whether trusted requests may name a version.
    pub r#override: bool,
    /// Whether users with a key have a version of their own.
    pub affinity: bool,
    /// Whether the admin API of this gateway has rollouts.
    #[serde(default)]
    pub rollouts: bool,
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
/// let list = ReplicaList::new(vec![first, second], 7, Some("1"));
/// assert!(list.revision == 7 && !list.converged);
/// assert!(list.replicas[0].is_this);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ReplicaList {
    /// The latest revision of the store that is known: one that a gateway serves, or one of a change that this gateway
    /// made.
    pub revision: u64,
    /// Whether all gateways serve this revision. `false` if no gateway is known.
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
    /// Whether another gateway that runs reports under the same name. Names are meant to differ: give it another one.
    #[serde(default)]
    pub shares_name: bool,
    /// The base URL of its admin API, which has its own figures of traffic. `null`: the gateway reports none.
    #[serde(default)]
    #[cfg_attr(feature = "admin", schema(example = "http://10.0.0.5:8081/api/v1/admin"))]
    pub admin_url: Option<String>,
    /// The versions and removed instances that may still get requests there or have some in flight, by its last report.
    #[serde(default)]
    pub draining: Vec<DrainingView>,
}

/// A version, or one instance of a version, that a gateway drains.
///
/// See [`ReplicaView`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct DrainingView {
    /// The name of the service.
    #[cfg_attr(feature = "admin", schema(example = "auth"))]
    pub service: String,
    /// The name of the version.
    #[cfg_attr(feature = "admin", schema(example = "v1.0"))]
    pub version: String,
    /// The base URL of the instance. Left out for the whole version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(example = "http://10.0.0.3:8080"))]
    pub url: Option<String>,
}

// === impl StatusView ===

impl From<&Deployments> for StatusView {
    fn from(deployments: &Deployments) -> Self {
        let freshness = deployments.freshness();
        Self {
            replica: deployments.replica_name().map(ToOwned::to_owned),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            stale: deployments.is_stale(),
            features: deployments.handle().into(),
            revision: freshness.revision,
            age_ms: milliseconds(freshness.age),
            from_cache: freshness.from_cache,
            broken: freshness.broken.into_iter().map(|broken| broken.service).collect(),
        }
    }
}

// === impl FeaturesView ===

impl From<&RoutingHandle> for FeaturesView {
    fn from(handle: &RoutingHandle) -> Self {
        Self {
            pin: handle.has_rule(Reason::Pin),
            r#override: handle.has_rule(Reason::Override),
            affinity: handle.has_rule(Reason::Key),
            rollouts: false,
        }
    }
}

// === impl ReplicaList ===

impl ReplicaList {
    /// Lists `replicas` as the gateway with the id `this` sees them, which knows of the revision `latest`: see
    /// [`Freshness::latest`](crate::deployments::Freshness::latest). `None`: the gateway does not report.
    #[must_use]
    pub fn new(replicas: Vec<Replica>, latest: u64, this: Option<&str>) -> Self {
        let revision = replicas.iter().map(|replica| replica.revision).fold(latest, u64::max);
        let converged = !replicas.is_empty() && replicas.iter().all(|replica| replica.revision == revision);
        let shared = shared_names(&replicas);
        let views = replicas.into_iter().map(|replica| ReplicaView::new(replica, this, &shared));
        let replicas = views.collect();
        Self { revision, converged, replicas }
    }
}

// === impl ReplicaView ===

impl ReplicaView {
    /// Shows a replica. `this` is the id of the gateway that responds, `shared` the names under which several run.
    fn new(replica: Replica, this: Option<&str>, shared: &BTreeSet<String>) -> Self {
        Self {
            is_this: Some(replica.id.as_str()) == this,
            shares_name: has_reported_in_time(&replica) && shared.contains(&replica.name),
            id: replica.id,
            name: replica.name,
            revision: replica.revision,
            seen_ms: milliseconds(replica.seen),
            admin_url: replica.admin_url,
            draining: replica.draining.iter().map(DrainingView::from).collect(),
        }
    }
}

// === impl DrainingView ===

impl From<&Draining> for DrainingView {
    fn from(draining: &Draining) -> Self {
        Self {
            service: draining.service.to_string(),
            version: draining.version.to_string(),
            url: draining.url.as_ref().map(Backend::to_string),
        }
    }
}

/// Returns the names under which several gateways run.
fn shared_names(replicas: &[Replica]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let running = replicas.iter().filter(|replica| has_reported_in_time(replica));
    running.filter(|replica| !names.insert(&replica.name)).map(|replica| replica.name.clone()).collect()
}

/// Returns whether the gateway has reported within [`Replica::SUCCESSION`], the time of a report and some delay. One that was
/// killed has not.
fn has_reported_in_time(replica: &Replica) -> bool {
    replica.seen < Replica::SUCCESSION
}

/// Returns the whole milliseconds of `time`, for fields whose names end in `Ms`.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
