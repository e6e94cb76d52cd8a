//! Results of probes.

use serde::{Deserialize, Serialize};

use super::replicas::milliseconds;
use crate::deployments::Healthy;

/// A probe that found the version healthy: the response of
/// `POST /deployment/services/{service}/versions/{version}/check`.
///
/// A version that is not healthy gets the problem `backend-unhealthy` instead, so `healthy` is never `false`.
///
/// ```
/// use std::time::Duration;
/// use tower_canary::api::CheckView;
/// use tower_canary::deployments::Healthy;
///
/// let check = CheckView::from(Some(Healthy { status: 200, took: Duration::from_millis(3) }));
/// assert_eq!(serde_json::to_string(&check)?, r#"{"healthy":true,"status":200,"latencyMs":3}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct CheckView {
    /// `true`: the version is healthy. `null`: this gateway does not probe.
    pub healthy: Option<bool>,
    /// The status of the version's response.
    #[cfg_attr(feature = "admin", schema(example = 200))]
    pub status: Option<u16>,
    /// The time until the response headers arrived, in milliseconds.
    #[cfg_attr(feature = "admin", schema(example = 3))]
    pub latency_ms: Option<u64>,
}

impl From<Option<Healthy>> for CheckView {
    fn from(probe: Option<Healthy>) -> Self {
        Self {
            healthy: probe.map(|_| true),
            status: probe.map(|healthy| healthy.status),
            latency_ms: probe.map(|healthy| milliseconds(healthy.took)),
        }
    }
}
