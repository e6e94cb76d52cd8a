//! The traffic of all services in a few figures each.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::figures::{rate, rounded};
use super::timestamp::Timestamp;
use crate::deployments::Deployments;
use crate::traffic::ServiceSummary;

/// The traffic of all services at one gateway in the last 10 seconds: the response of `GET /deployment/traffic`, and the
/// data of each event of its stream.
///
/// ```
/// use tower_canary::api::TrafficOverview;
/// use tower_canary::{Deployments, Draw};
///
/// let overview = TrafficOverview::new(&Deployments::in_memory(Draw::Exact), std::time::SystemTime::now());
/// assert!(overview.services.is_empty() && !overview.stale);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct TrafficOverview {
    /// The name under which the gateway reports. `null`: it does not report.
    #[cfg_attr(feature = "admin", schema(example = "gateway-1"))]
    pub replica: Option<String>,
    /// When the figures were read.
    #[cfg_attr(feature = "admin", schema(value_type = String, format = "date-time"))]
    pub at: Timestamp,
    /// Whether the gateway does not follow the changes of other gateways, as in the response of `GET /deployment/status`.
    pub stale: bool,
    /// The services that had requests in the last 10 seconds or have some in flight, in the order of their names. Other
    /// services had no requests.
    pub services: Vec<ServiceTrafficView>,
}

/// The traffic of one service in the last 10 seconds.
///
/// See [`TrafficOverview`] for an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ServiceTrafficView {
    /// The name of the service.
    #[cfg_attr(feature = "admin", schema(example = "auth"))]
    pub service: String,
    /// The generation of the split that requests follow.
    pub generation: u64,
    /// The requests per second.
    pub per_second: f64,
    /// The number of requests that ended.
    pub n: u64,
    /// The requests that ended with a 5xx response or with an error, in percent of those that ended. Requests that
    /// their clients gave up are not among the former. `null`: none ended.
    #[cfg_attr(feature = "admin", schema(example = 0.25))]
    pub failed: Option<f64>,
    /// The number of requests in flight, open tunnels included.
    pub in_flight: usize,
    /// Whether the stored split of the service cannot be read, so that its last good route stays in use.
    pub broken: bool,
}

impl TrafficOverview {
    /// Reads the traffic of `deployments` at the time `at`.
    #[must_use]
    pub fn new(deployments: &Deployments, at: SystemTime) -> Self {
        let broken = deployments.freshness().broken;
        let services = deployments.handle().traffic_summaries().into_iter().map(|summary| {
            let is_broken = broken.iter().any(|broken| broken.service == summary.service.as_str());
            ServiceTrafficView::new(&summary, is_broken)
        });
        Self {
            replica: deployments.replica_name().map(ToOwned::to_owned),
            at: at.into(),
            stale: deployments.is_stale(),
            services: services.collect(),
        }
    }
}

impl ServiceTrafficView {
    fn new(summary: &ServiceSummary, broken: bool) -> Self {
        Self {
            service: summary.service.to_string(),
            generation: summary.generation,
            per_second: rounded(summary.per_second()),
            n: summary.ended,
            failed: (summary.ended > 0).then(|| rate(summary.failed, summary.ended)),
            in_flight: summary.in_flight,
            broken,
        }
    }
}
