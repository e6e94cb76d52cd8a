//! Traffic of the versions of a service.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::figures::{ActivityView, WindowView, rounded};
use super::percent::Percent;
use super::timestamp::Timestamp;
use crate::deployments::DrainBlocker;
use crate::routing::Weight;
use crate::store::Replica;
use crate::traffic::{ServiceTraffic, VersionTraffic};

/// The traffic of a service at one gateway: the response of `GET /deployment/services/{service}/traffic`, and
/// the data of each event of its stream.
///
/// ```
/// use tower_canary::api::TrafficView;
/// use tower_canary::routing::Change;
/// use tower_canary::store::ChangeRequest;
/// use tower_canary::{Deployments, Draw};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let deployments = Deployments::in_memory(Draw::Exact);
/// let register = Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?);
/// deployments.apply(&"auth".parse()?, ChangeRequest::new(register, "alice")).await?;
///
/// let traffic = deployments.handle().traffic("auth").ok_or("no such service")?;
/// let view = TrafficView::new(&traffic, std::time::SystemTime::now());
/// assert_eq!(view.versions[0].total.requests, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct TrafficView {
    /// The name of the service.
    #[cfg_attr(feature = "admin", schema(example = "auth"))]
    pub service: String,
    /// The generation of the split that requests follow.
    pub generation: u64,
    /// The name under which the gateway reports. `null`: it does not report.
    #[cfg_attr(feature = "admin", schema(example = "gateway-1"))]
    pub replica: Option<String>,
    /// When the figures were read.
    #[cfg_attr(feature = "admin", schema(value_type = String, format = "date-time"))]
    pub at: Timestamp,
    /// The number of requests that arrived while no version was active.
    pub unserved: u64,
    /// The versions of the split, then removed versions that still have requests.
    pub versions: Vec<VersionTrafficView>,
}

/// The traffic of one version at one gateway.
///
/// See [`TrafficView`] for an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct VersionTrafficView {
    /// The name of the version.
    #[cfg_attr(feature = "admin", schema(example = "v1.1"))]
    pub version: String,
    /// The share of the service's traffic that the version should get.
    pub weight: Percent,
    /// Whether the version may get traffic.
    pub is_active: bool,
    /// Whether the version serves, drains or is idle.
    pub state: VersionState,
    /// The number of requests in flight, open tunnels included.
    pub in_flight: usize,
    /// Whether the version is drained at this gateway: it gets no more requests and has no request in flight.
    /// While it is active at weight 0, pinned users and testers may still reach it, so it is drained only
    /// once it is inactive.
    pub drained: bool,
    /// The other gateways. Left out where this gateway does not report.
    #[serde(flatten)]
    pub cluster: Option<ClusterDrainView>,
    /// The time since the last request ended, in seconds. `null`: a request is in flight, or there was none
    /// yet.
    pub idle_seconds: Option<f64>,
    /// The figures since this gateway first served the version.
    pub total: ActivityView,
    /// The figures of the last 10 seconds, 60 seconds and 5 minutes.
    pub windows: Vec<WindowView>,
}

/// Whether a version is drained at all gateways that share the store.
///
/// ```
/// use tower_canary::api::ClusterDrainView;
///
/// let drained = ClusterDrainView::new(true, Some(Vec::new()));
/// assert_eq!(serde_json::to_string(&drained)?, r#"{"elsewhere":[],"drainedEverywhere":true}"#);
/// let unknown = ClusterDrainView::new(true, None);
/// assert_eq!(unknown.drained_everywhere, None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ClusterDrainView {
    /// The other gateways that may still have requests for the version. `null`: the store could not be read.
    // Both fields must be present. Otherwise a response without them would read as `Some` in the flattened
    // option.
    #[serde(deserialize_with = "Option::deserialize")]
    pub elsewhere: Option<Vec<DrainBlockerView>>,
    /// Whether the version is drained at all gateways, so that its process may be stopped. `null`: not known.
    #[serde(deserialize_with = "Option::deserialize")]
    pub drained_everywhere: Option<bool>,
}

/// Another gateway that may still have requests for a version.
///
/// See [`ClusterDrainView`] for an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct DrainBlockerView {
    /// The name under which the gateway reports.
    #[cfg_attr(feature = "admin", schema(example = "gateway-2"))]
    pub replica: String,
    /// `draining`: it has requests in flight, or pinned users and testers may still reach the version there.
    /// `behind`: it has not followed the last change of the service yet.
    #[cfg_attr(feature = "admin", schema(example = "draining"))]
    pub state: String,
}

/// The state of a version at one gateway.
///
/// ```
/// use tower_canary::api::VersionState;
///
/// assert_eq!(serde_json::to_string(&VersionState::Draining)?, r#""draining""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum VersionState {
    /// The weight is above 0.
    Serving,
    /// The weight is 0, and requests are in flight or may still arrive.
    Draining,
    /// The version is drained.
    Idle,
}

// === impl TrafficView ===

impl TrafficView {
    /// Shows `traffic`, which was read at the time `at`, without a name of the gateway and without the other
    /// gateways.
    #[must_use]
    pub fn new(traffic: &ServiceTraffic, at: SystemTime) -> Self {
        Self {
            service: traffic.service.to_string(),
            generation: traffic.generation,
            replica: None,
            at: at.into(),
            unserved: traffic.unserved,
            versions: traffic.versions.iter().map(VersionTrafficView::from).collect(),
        }
    }
}

// === impl VersionTrafficView ===

impl From<&VersionTraffic> for VersionTrafficView {
    fn from(traffic: &VersionTraffic) -> Self {
        Self {
            version: traffic.version.to_string(),
            weight: traffic.weight.into(),
            is_active: traffic.active,
            state: traffic.into(),
            in_flight: traffic.in_flight,
            drained: traffic.is_drained(),
            cluster: None,
            idle_seconds: traffic.idle_for.map(|idle| rounded(idle.as_secs_f64())),
            total: (&traffic.total).into(),
            windows: traffic.windows.iter().map(WindowView::from).collect(),
        }
    }
}

// === impl ClusterDrainView ===

impl ClusterDrainView {
    /// Combines the state of this gateway with the gateways `elsewhere` that are not done with the version.
    /// `None`: it is not known which ones those are.
    #[must_use]
    pub fn new(is_drained_here: bool, elsewhere: Option<Vec<DrainBlockerView>>) -> Self {
        let drained_everywhere = elsewhere.as_ref().map(|blockers| is_drained_here && blockers.is_empty());
        Self { elsewhere, drained_everywhere }
    }
}

// === impl DrainBlockerView ===

impl From<(&Replica, DrainBlocker)> for DrainBlockerView {
    fn from((replica, blocker): (&Replica, DrainBlocker)) -> Self {
        Self { replica: replica.name.clone(), state: blocker.as_str().to_owned() }
    }
}

// === impl VersionState ===

impl From<&VersionTraffic> for VersionState {
    fn from(traffic: &VersionTraffic) -> Self {
        if traffic.weight > Weight::ZERO {
            Self::Serving
        } else if traffic.is_drained() {
            Self::Idle
        } else {
            Self::Draining
        }
    }
}
