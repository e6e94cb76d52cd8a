//! Query parameters.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::page_limit::page_limit;

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
    /// Skip the probe, and allow to deactivate the last active version or to remove a service that has active versions.
    /// Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Do not make the change, and respond with the split that it would make. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Respond only after this, or after the timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<ChangeWait>,
    /// The longest wait, such as `500ms` or `5s`: 5 seconds by default, 60 seconds at most. Without [`wait`](Self::wait), the
    /// response waits in the same way.
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

/// The query parameters of a list that goes back in time: the history of a service, its refused changes, or its rollouts.
/// The default is the first page, with the latest entries.
///
/// Each entry has a number, and a page starts at the greatest one below [`before`](Self::before):
///
/// | list | the number |
/// | --- | --- |
/// | [`HistoryPage`](super::HistoryPage) | the generation |
/// | [`RefusalPage`](super::RefusalPage) | the id |
/// | [`RolloutPage`](super::RolloutPage) | the number of the rollout |
///
/// A full page has a `nextBefore`: sent as `before`, it selects the next page.
///
/// ```
/// use tower_canary::api::PageParams;
///
/// let mut params = PageParams::default();
/// params.limit = Some(PageParams::MAX_LIMIT);
/// params.before = Some(17);
/// assert_eq!(serde_json::to_string(&params)?, r#"{"limit":200,"before":17}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PageParams {
    /// The number of entries on the page, 1 to 200. Default: 50.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "page_limit::<_, { PageParams::MAX_LIMIT }>"
    )]
    pub limit: Option<u32>,
    /// Show only entries with a smaller number than this. An entry with this number need not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
}

/// The query parameters of the list of services. The default lists all services.
///
/// ```
/// use tower_canary::api::ServicesParams;
///
/// let mut params = ServicesParams::default();
/// params.limit = Some(200);
/// params.after = Some("auth".into());
/// assert_eq!(serde_json::to_string(&params)?, r#"{"limit":200,"after":"auth"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ServicesParams {
    /// The number of services on the page, 1 to 1,000. Default: all.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "page_limit::<_, { ServicesParams::MAX_LIMIT }>"
    )]
    pub limit: Option<u32>,
    /// Show only services after this name: the `nextAfter` of the page before. The name need not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Show only services whose name contains this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
}

/// The query parameters of the versions of a service. The default shows no events.
///
/// ```
/// use tower_canary::api::VersionsParams;
///
/// let mut params = VersionsParams::default();
/// params.events = true;
/// assert_eq!(serde_json::to_string(&params)?, r#"{"events":true}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct VersionsParams {
    /// Show the last transitions of the service's instances, too. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub events: bool,
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
    /// Explain the split with these weights instead of the present ones: all weights as [`SetWeights`](super::SetWeights)
    /// takes them, in the form `v1.0:70,v1.1:30`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
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
    /// Show only the instance of the version at this base URL, and wait for it alone. The version need not have it any
    /// more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Respond only after this, or after the timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<TrafficWait>,
    /// The longest wait, such as `30s` or `5m`: 30 seconds by default, 10 minutes at most. Without [`wait`](Self::wait), the
    /// response waits in the same way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// The condition that the traffic of a version or an instance can wait for.
///
/// See [`TrafficParams`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TrafficWait {
    /// The version, or the instance at `url`, is drained at all gateways.
    Drained,
}

impl ChangeParams {
    /// The wait for the replicas if [`timeout`](Self::timeout) is left out.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    /// The longest [`timeout`](Self::timeout).
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);

    /// The form of [`timeout`](Self::timeout) as a regular expression of JSON Schema: a whole number of milliseconds,
    /// seconds or minutes.
    pub const TIMEOUT_PATTERN: &'static str =
        "^(?:(?:0|[1-9][0-9]{0,3}|[1-5][0-9]{4}|60000)ms|(?:[1-5]?[0-9]|60)s|[01]m)$";
}

impl PageParams {
    /// The number of entries on a page if [`limit`](Self::limit) is left out.
    pub const DEFAULT_LIMIT: u32 = 50;

    /// The largest [`limit`](Self::limit).
    pub const MAX_LIMIT: u32 = 200;
}

impl ServicesParams {
    /// The largest [`limit`](Self::limit).
    pub const MAX_LIMIT: u32 = 1_000;
}

impl TrafficParams {
    /// The wait for the end of a drain if [`timeout`](Self::timeout) is left out.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

    /// The longest [`timeout`](Self::timeout).
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(600);

    /// The form of [`timeout`](Self::timeout) as a regular expression of JSON Schema: a whole number of milliseconds,
    /// seconds or minutes.
    pub const TIMEOUT_PATTERN: &'static str =
        "^(?:(?:0|[1-9][0-9]{0,4}|[1-5][0-9]{5}|600000)ms|(?:[1-9]?[0-9]|[1-5][0-9]{2}|600)s|(?:[0-9]|10)m)$";
}

impl ExplainParams {
    /// Asks for the version of the user with `key`.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), weights: None }
    }
}
