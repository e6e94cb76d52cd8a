//! Query parameters of rollouts.

use serde::{Deserialize, Serialize};

/// The query parameters of the start of a rollout.
///
/// ```
/// use tower_canary::api::StartParams;
///
/// let mut params = StartParams::default();
/// params.dry_run = true;
/// assert_eq!(serde_json::to_string(&params)?, r#"{"dryRun":true}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct StartParams {
    /// Do not start it, and respond with what the plan would do. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// The query parameters of the abort of a rollout.
///
/// ```
/// use tower_canary::api::AbortParams;
///
/// let mut params = AbortParams::default();
/// params.force = true;
/// assert_eq!(serde_json::to_string(&params)?, r#"{"force":true}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AbortParams {
    /// Go back although the versions that then get traffic are not usable. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}
