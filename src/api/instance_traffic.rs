//! Traffic of the instances of a version.

use serde::{Deserialize, Serialize};

use super::cluster_drain::ClusterDrainView;
use crate::handle::InstanceStatus;
use crate::routing::Backend;

/// The traffic of one instance at one gateway.
///
/// ```
/// use tower_canary::api::InstanceTrafficView;
///
/// let removed = InstanceTrafficView::unused(&"http://10.0.0.3:8080".parse()?);
/// let json = r#"{"url":"http://10.0.0.3:8080","isRegistered":false,"inFlight":0,"picks":0,"failures":0,"drained":true}"#;
/// assert_eq!(serde_json::to_string(&removed)?, json);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct InstanceTrafficView {
    /// The base URL.
    #[cfg_attr(feature = "admin", schema(example = "http://10.0.0.2:8080"))]
    pub url: String,
    /// Whether the version has the URL. A removed one is shown while it has requests here, or if the request asks for it.
    pub is_registered: bool,
    /// The number of requests in flight, open tunnels included.
    pub in_flight: usize,
    /// The number of requests that were given to the instance since this gateway first served it.
    pub picks: u64,
    /// The number of those requests that got no response, or one that speaks of the instance: 502, 503, 504, or
    /// `UNAVAILABLE` of gRPC. For the only instance of a version without checks, those without a response alone.
    pub failures: u64,
    /// Whether the instance is drained at this gateway: it gets no more requests and has no request in flight. Remove its
    /// URL to drain it.
    pub drained: bool,
    /// The other gateways. Left out where this gateway does not report.
    #[serde(flatten)]
    pub cluster: Option<ClusterDrainView>,
}

impl InstanceTrafficView {
    /// Shows an instance without the other gateways. `is_drained`: this gateway does not use it any more.
    #[must_use]
    pub fn new(instance: &InstanceStatus, is_drained: bool) -> Self {
        Self {
            url: instance.backend.to_string(),
            is_registered: instance.registered,
            in_flight: instance.in_flight,
            picks: instance.picks,
            failures: instance.failures,
            drained: is_drained,
            cluster: None,
        }
    }

    /// Shows a base URL that the version does not have and that has no requests here.
    #[must_use]
    pub fn unused(backend: &Backend) -> Self {
        Self {
            url: backend.to_string(),
            is_registered: false,
            in_flight: 0,
            picks: 0,
            failures: 0,
            drained: true,
            cluster: None,
        }
    }
}
