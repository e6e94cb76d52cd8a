//! Traffic of the versions of a service.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::cluster_drain::ClusterDrainView;
use super::copies::CopiesView;
use super::figures::{ActivityView, WindowView, rounded};
use super::instance_traffic::InstanceTrafficView;
use super::percent::Percent;
use super::timestamp::Timestamp;
use crate::routing::Weight;
use crate::traffic::{ServiceTraffic, TrafficSample, VersionTraffic};

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
    /// The number of requests that arrived while no version was active, or were refused since no instance of their
    /// version was usable.
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
    /// While it is active at weight 0, pinned users and testers may still reach it, and it may get copies of requests,
    /// so it is drained only once it is inactive.
    pub drained: bool,
    /// The other gateways. Left out where this gateway does not report.
    #[serde(flatten)]
    pub cluster: Option<ClusterDrainView>,
    /// The time since the last request ended, in seconds and exact to the two seconds between samples. `null`: a request is in
    /// flight, there was none yet, or the gateway took no sample since the last one ended.
    pub idle_seconds: Option<f64>,
    /// The number of requests that were drawn for the version and given to another one, because no instance of the version
    /// was usable.
    #[serde(default)]
    pub diverted: u64,
    /// The instances, in the order of their registration, then removed ones that still have requests.
    #[serde(default)]
    pub instances: Vec<InstanceTrafficView>,
    /// The copies of requests that the version got. Left out if no request was drawn to be copied to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<CopiesView>,
    /// The figures since this gateway first served the version.
    pub total: ActivityView,
    /// The figures of the last 10 seconds, 60 seconds and 5 minutes.
    pub windows: Vec<WindowView>,
    /// The requests of the last 5 minutes in periods of 2 seconds, earliest first: in the first event of a stream, and left
    /// out elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Vec<SampleView>>,
}

/// The requests of one version in one period.
///
/// See [`TrafficView`] for an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct SampleView {
    /// When the period ended.
    #[cfg_attr(feature = "admin", schema(value_type = String, format = "date-time"))]
    pub at: Timestamp,
    /// The length of the period in seconds.
    pub seconds: f64,
    /// The number of requests that were given to the version.
    pub requests: u64,
    /// The number of requests that ended with a 5xx response or with an error. Requests that their clients gave up are
    /// not among them.
    pub failed: u64,
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
    /// Shows `traffic`, which was read at the time `at`, without a name of the gateway, without the instances and without
    /// the other gateways.
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

// === impl SampleView ===

impl SampleView {
    /// Shows a period as it was read at the time `at`.
    #[must_use]
    pub fn new(sample: &TrafficSample, at: SystemTime) -> Self {
        Self {
            at: at.checked_sub(sample.age).unwrap_or(at).into(),
            seconds: rounded(sample.length.as_secs_f64()),
            requests: sample.requests,
            failed: sample.failed,
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
            diverted: 0,
            instances: Vec::new(),
            copies: (!traffic.copies.is_empty()).then(|| CopiesView::from(&traffic.copies)),
            idle_seconds: traffic.idle_for.map(|idle| rounded(idle.as_secs_f64())),
            total: (&traffic.total).into(),
            windows: traffic.windows.iter().map(WindowView::from).collect(),
            series: None,
        }
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
