//! Lists of rollouts.

use serde::{Deserialize, Serialize};

use super::summary::RolloutSummary;
use crate::api::timestamp::Timestamp;

/// One page of the rollouts of a service, latest first: the response of `GET /deployment/services/{service}/rollouts`.
///
/// ```
/// use tower_canary::api::RolloutPage;
///
/// let page: RolloutPage = serde_json::from_str(r#"{"service": "auth", "rollouts": [], "nextBefore": null}"#)?;
/// assert!(page.rollouts.is_empty() && page.next_before.is_none());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutPage {
    /// The name of the service. It need not exist.
    #[cfg_attr(feature = "admin", schema(example = "auth"))]
    pub service: String,
    /// The rollouts.
    pub rollouts: Vec<RolloutSummary>,
    /// The value of `?before=` for the next page. `null`: this is the last page.
    pub next_before: Option<u64>,
}

/// The rollouts of all services that are not over: the response of `GET /deployment/rollouts`, and the data of each event of
/// its stream.
///
/// ```
/// use tower_canary::api::RolloutList;
///
/// let json = r#"{"replica": "gateway-1", "at": "2026-01-05T10:00:00.000Z", "rollouts": []}"#;
/// let list: RolloutList = serde_json::from_str(json)?;
/// assert!(list.rollouts.is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutList {
    /// The name under which the gateway reports. `null`: it does not report.
    #[cfg_attr(feature = "admin", schema(example = "gateway-1"))]
    pub replica: Option<String>,
    /// When the rollouts were read.
    #[cfg_attr(feature = "admin", schema(value_type = String, format = "date-time"))]
    pub at: Timestamp,
    /// The rollouts, in the order of their numbers.
    pub rollouts: Vec<RolloutSummary>,
}

impl RolloutPage {
    /// Creates a page. `next_before`: where the next one begins, if there is one.
    pub fn new(service: impl Into<String>, rollouts: Vec<RolloutSummary>, next_before: Option<u64>) -> Self {
        Self { service: service.into(), rollouts, next_before }
    }
}

impl RolloutList {
    /// Creates the list of the gateway that reports under the name `replica`.
    pub fn new(replica: Option<String>, at: impl Into<Timestamp>, rollouts: Vec<RolloutSummary>) -> Self {
        Self { replica, at: at.into(), rollouts }
    }
}
