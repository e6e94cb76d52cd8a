//! Query parameters.

use serde::{Deserialize, Serialize};

/// The query parameters of every change.
///
/// ```
/// use tower_canary::api::{ChangeParams, ChangeWait};
///
/// let mut params = ChangeParams::default();
/// params.dry_run = true;
/// assert_eq!(serde_json::to_string(&params)?, r#"{"dryRun":true}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ChangeParams {
    /// Skip the probe, and allow to deactivate the last active version. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Do not make the change, and respond with the split that it would make. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Respond only after this, or after the timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<ChangeWait>,
    /// The longest wait, such as `500ms` or `5s`: 5 seconds by default, 60 seconds at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// The condition that the response to a change can wait for.
///
/// See [`ChangeParams`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChangeWait {
    /// All replicas serve the change.
    Converged,
}

/// The query parameters of the history of a service. The default is the first page.
///
/// ```
/// use tower_canary::api::HistoryParams;
///
/// let mut params = HistoryParams::default();
/// params.limit = Some(200);
/// assert_eq!(serde_json::to_string(&params)?, r#"{"limit":200}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HistoryParams {
    /// The number of changes on the page, 1 to 200. Default: 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Show only changes before this generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
}

/// The query parameters of an explanation.
///
/// ```
/// use tower_canary::api::ExplainParams;
///
/// assert_eq!(serde_json::to_string(&ExplainParams::new("alice"))?, r#"{"key":"alice"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExplainParams {
    /// The key as the gateway finds it in a request. An empty one is refused.
    #[serde(default)]
    pub key: String,
}

/// The query parameters of the traffic of a service. The default shows all versions and does not wait.
///
/// ```
/// use tower_canary::api::{TrafficParams, TrafficWait};
///
/// let mut params = TrafficParams::default();
/// params.version = Some("v1.0".into());
/// params.wait = Some(TrafficWait::Drained);
/// assert_eq!(serde_json::to_string(&params)?, r#"{"version":"v1.0","wait":"drained"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TrafficParams {
    /// Show only this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Respond only after this, or after the timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<TrafficWait>,
    /// The longest wait, such as `30s` or `5m`: 30 seconds by default, 10 minutes at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// The condition that the traffic of a version can wait for.
///
/// See [`TrafficParams`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TrafficWait {
    /// The version is drained at all gateways.
    Drained,
}

impl ExplainParams {
    /// Asks for the version of the user with `key`.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into() }
    }
}
