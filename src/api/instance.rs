//! The instances of a version as one gateway sees them.

use serde::{Deserialize, Serialize};

use super::replicas::milliseconds;
use super::timestamp::Timestamp;
use crate::handle::{InstanceStatus, VersionInstances};
use crate::health::LastCheck;

/// The health of a version's instances at the gateway that responds. Another gateway may see them in other states.
///
/// ```
/// use tower_canary::api::VersionHealthView;
///
/// let json = r#"{
///     "instances": [
///         {"url": "http://10.0.0.2", "state": "up", "since": "2026-01-05T09:30:00.000Z", "ejections": 0},
///         {"url": "http://10.0.0.3", "state": "ejected", "since": "2026-01-05T09:31:00.000Z",
///          "until": "2026-01-05T09:31:30.000Z", "ejections": 1}
///     ],
///     "usable": 1, "noneUsable": false
/// }"#;
/// let health: VersionHealthView = serde_json::from_str(json)?;
/// assert_eq!(health.instances.iter().filter(|instance| instance.state == "ejected").count(), 1);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct VersionHealthView {
    /// The instances, in the order of `urls`.
    pub instances: Vec<InstanceView>,
    /// The number of instances that requests may be given to for their health.
    #[cfg_attr(feature = "admin", schema(example = 2))]
    pub usable: usize,
    /// Whether no instance is usable. Requests are then given to all of them, to another version, or to none, as the
    /// gateway is configured.
    pub none_usable: bool,
}

/// One instance of a version.
///
/// See [`VersionHealthView`] for an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct InstanceView {
    /// The base URL.
    #[cfg_attr(feature = "admin", schema(example = "http://10.0.0.2:8080"))]
    pub url: String,
    /// `new`: not checked yet. `up`: it gets requests. `down`: its checks failed. `ejected`: its requests failed.
    #[cfg_attr(feature = "admin", schema(example = "up"))]
    pub state: String,
    /// When the state began. Left out for an instance that is not observed: the only one of its version, without checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(value_type = Option<String>, format = "date-time"))]
    pub since: Option<Timestamp>,
    /// When the ejection ends, unless the last check before failed. Left out in other states.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(value_type = Option<String>, format = "date-time"))]
    pub until: Option<Timestamp>,
    /// `true` on trial after an ejection: one failed request ejects the instance again. Left out otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trial: bool,
    /// The number of ejections since this gateway first served the instance.
    #[cfg_attr(feature = "admin", schema(example = 0))]
    pub ejections: u32,
    /// The last check. Left out if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<LastCheckView>,
}

/// The last check of an instance.
///
/// ```
/// use tower_canary::api::LastCheckView;
///
/// let check: LastCheckView =
///     serde_json::from_str(r#"{"at":"2026-01-05T09:30:00.000Z","ok":false,"status":503,"tookMs":3}"#)?;
/// assert_eq!((check.ok, check.status), (false, Some(503)));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct LastCheckView {
    /// When the check ended.
    #[cfg_attr(feature = "admin", schema(value_type = String, format = "date-time"))]
    pub at: Timestamp,
    /// Whether the check passed.
    pub ok: bool,
    /// The status of the response. Left out if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(example = 200))]
    pub status: Option<u16>,
    /// Why the check failed, without the body of the response. Left out if it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The duration of the check, in milliseconds.
    #[cfg_attr(feature = "admin", schema(example = 3))]
    pub took_ms: u64,
}

// === impl VersionHealthView ===

impl VersionHealthView {
    /// Shows the instances of a version.
    #[must_use]
    pub fn new(version: &VersionInstances) -> Self {
        let registered = version.instances.iter().filter(|instance| instance.registered);
        let mut instances: Vec<_> = registered.map(InstanceView::new).collect();
        if !version.observed {
            instances.iter_mut().for_each(|instance| instance.since = None);
        }
        Self { instances, usable: version.usable, none_usable: version.none_usable }
    }
}

// === impl InstanceView ===

impl InstanceView {
    /// Shows an instance.
    #[must_use]
    pub fn new(instance: &InstanceStatus) -> Self {
        Self {
            url: instance.backend.to_string(),
            state: instance.state.as_str().to_owned(),
            since: Some(instance.since.into()),
            until: instance.until.map(Timestamp::from),
            trial: instance.trial,
            ejections: instance.ejections,
            check: instance.last_check.as_ref().map(LastCheckView::new),
        }
    }
}

// === impl LastCheckView ===

impl LastCheckView {
    /// Shows a check.
    #[must_use]
    pub fn new(check: &LastCheck) -> Self {
        Self {
            at: check.at.into(),
            ok: check.passed,
            status: check.status,
            cause: check.cause.clone(),
            took_ms: milliseconds(check.took),
        }
    }
}
