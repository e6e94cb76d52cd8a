//! Probes on request, and results of probes.

use serde::{Deserialize, Serialize};

use super::replicas::milliseconds;
use crate::deployments::{Unhealthy, VersionProbe};
use crate::routing::{Backend, VersionName};

/// Probes a version now: `POST /deployment/services/{service}/versions/{version}/check`. The body may be left out.
///
/// ```
/// use tower_canary::api::CheckVersion;
///
/// assert_eq!(serde_json::to_string(&CheckVersion::new())?, "{}");
/// assert_eq!(serde_json::to_string(&CheckVersion::new().with_clear(true))?, r#"{"clear":true}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct CheckVersion {
    /// End the ejection of each instance that passes. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clear: bool,
}

/// Probes that found a version healthy: the response of
/// `POST /deployment/services/{service}/versions/{version}/check`.
///
/// A version with fewer than half of its instances healthy gets the problem `backend-unhealthy` instead, so `healthy` is
/// never `false`.
///
/// ```
/// use tower_canary::api::CheckView;
///
/// let response = r#"{
///     "healthy": true, "status": 200, "latencyMs": 3,
///     "probes": [
///         {"version": "v1.1", "url": "http://10.0.0.2", "healthy": true, "status": 200, "latencyMs": 3},
///         {"version": "v1.1", "url": "http://10.0.0.3", "healthy": false, "status": 503, "cause": "it responded 503"}
///     ]
/// }"#;
/// let check: CheckView = serde_json::from_str(response)?;
/// let sick: Vec<&str> = check.probes.iter().filter(|probe| !probe.healthy).map(|probe| &*probe.url).collect();
/// assert_eq!(sick, ["http://10.0.0.3"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct CheckView {
    /// `true`: at least half of the instances are healthy. `null`: this gateway does not probe. Never `false`: the response is
    /// a problem then.
    pub healthy: Option<bool>,
    /// The status of the first healthy instance's response. `null`: this gateway does not probe.
    #[cfg_attr(feature = "admin", schema(example = 200))]
    pub status: Option<u16>,
    /// The time until the response headers of the first healthy instance arrived, in milliseconds. `null`: this gateway does not
    /// probe.
    #[cfg_attr(feature = "admin", schema(example = 3))]
    pub latency_ms: Option<u64>,
    /// The probe of each instance. Empty if this gateway does not probe.
    #[serde(default)]
    pub probes: Vec<ProbeView>,
}

/// The result of the probe of one instance: on request, or because a change gives its version the first traffic.
///
/// ```
/// use tower_canary::api::ProbeView;
/// use tower_canary::deployments::Unhealthy;
///
/// let probe = ProbeView::failed(&"v1.1".parse()?, &"http://10.0.0.2".parse()?, &Unhealthy::Status(503));
/// let json = r#"{"version":"v1.1","url":"http://10.0.0.2","healthy":false,"status":503,"cause":"it responded 503"}"#;
/// assert_eq!(serde_json::to_string(&probe)?, json);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ProbeView {
    /// The name of the version.
    #[cfg_attr(feature = "admin", schema(example = "v1.1"))]
    pub version: String,
    /// The base URL of the instance.
    // Empty in a response of a release that probed one base URL of each version.
    #[serde(default)]
    #[cfg_attr(feature = "admin", schema(example = "http://10.0.0.2:8080"))]
    pub url: String,
    /// Whether the instance responded as it should.
    pub healthy: bool,
    /// The status of the instance's response. Left out if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(example = 200))]
    pub status: Option<u16>,
    /// The time until the response headers arrived, in milliseconds. Left out if the probe failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(example = 3))]
    pub latency_ms: Option<u64>,
    /// Why the probe failed, without the body of the response. Left out if it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

// === impl CheckVersion ===

impl CheckVersion {
    /// Creates a request that probes and changes nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether to end the ejection of each instance that passes.
    #[must_use]
    pub fn with_clear(self, clear: bool) -> Self {
        Self { clear }
    }
}

// === impl CheckView ===

impl CheckView {
    /// Shows the probes of a version of which enough instances are healthy. No probe: the gateway does not probe.
    #[must_use]
    pub fn new(probes: &[VersionProbe]) -> Self {
        let healthy = probes.iter().find_map(|probe| probe.healthy.as_ref().ok());
        Self {
            healthy: (!probes.is_empty()).then_some(true),
            status: healthy.map(|healthy| healthy.status),
            latency_ms: healthy.map(|healthy| milliseconds(healthy.took)),
            probes: probes.iter().map(ProbeView::from).collect(),
        }
    }
}

// === impl ProbeView ===

impl ProbeView {
    /// Shows a probe that failed, of the instance of `version` at `backend`.
    #[must_use]
    pub fn failed(version: &VersionName, backend: &Backend, cause: &Unhealthy) -> Self {
        let status = match cause {
            Unhealthy::Status(status) => Some(*status),
            _ => None,
        };
        Self {
            version: version.to_string(),
            url: backend.to_string(),
            healthy: false,
            status,
            latency_ms: None,
            cause: Some(cause.to_string()),
        }
    }
}

impl From<&VersionProbe> for ProbeView {
    fn from(probe: &VersionProbe) -> Self {
        match &probe.healthy {
            Ok(healthy) => Self {
                version: probe.version.to_string(),
                url: probe.backend.to_string(),
                healthy: true,
                status: Some(healthy.status),
                latency_ms: Some(milliseconds(healthy.took)),
                cause: None,
            },
            Err(cause) => Self::failed(&probe.version, &probe.backend, cause),
        }
    }
}
