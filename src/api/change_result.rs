//! Responses to changes.

use serde::{Deserialize, Serialize};

use super::check::ProbeView;
use super::percent::Percent;
use super::split::SplitView;
use crate::deployments::Convergence;
use crate::routing::{Move, Split, VersionName, Weight};
use crate::store::Replica;

/// A change that was made, or would be made without `?dryRun=true`, and the split after it.
///
/// See the [module](super) for an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ChangeResult {
    /// Always `true`: a change that fails gets a problem document.
    #[cfg_attr(feature = "admin", schema(example = true))]
    pub success: bool,
    /// After a weight was set: that weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<Percent>,
    /// After a switch: the version that gets all traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(example = "v1.1"))]
    pub switched_to: Option<String>,
    /// `true` after `?dryRun=true`: the change was not made. Left out otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// After `?dryRun=true`: the users with a key who would get another version, largest group first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moves: Option<Vec<UserMove>>,
    /// The probes that the change needed: one for each instance of a version that had no traffic and gets some, and one for each
    /// new base URL of a version that had some. Left out if there was none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ProbeView>,
    /// The revision of the store after the change: a replica that reports it, or a later one, serves the change. Left out
    /// after `?dryRun=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "admin", schema(example = 118))]
    pub revision: Option<u64>,
    /// After `?wait=converged`: which replicas serve the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convergence: Option<ConvergenceView>,
    /// What the change does to the rollout of the service. Left out if this gateway knows of none that is under way, or cannot
    /// read it in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutEffect>,
    /// The split after the change. In JSON its fields stand beside the others.
    #[serde(flatten)]
    pub split: SplitView,
}

/// What a change does to the rollout of its service.
///
/// A rollout never undoes the change of somebody else: it pauses, or is over.
///
/// ```
/// use tower_canary::api::RolloutEffect;
///
/// let effect = RolloutEffect::new("7f3a2c1e-5b0d-4e8a-9c41-2d6f0b7a1e35", "paused");
/// assert_eq!(serde_json::to_string(&effect)?, r#"{"id":"7f3a2c1e-5b0d-4e8a-9c41-2d6f0b7a1e35","now":"paused"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RolloutEffect {
    /// The id of the rollout.
    pub id: String,
    /// The phase of the rollout once it has followed the change: `paused`, `over`, or the phase that it had.
    #[cfg_attr(feature = "admin", schema(example = "paused"))]
    pub now: String,
}

/// A group of users who would get another version.
///
/// See [`Split::moves`] for the rule.
///
/// ```
/// use tower_canary::api::UserMove;
///
/// let users: UserMove = serde_json::from_str(r#"{"from": "v1.0", "to": "v1.1", "users": 12.5}"#)?;
/// assert_eq!(users.users.to_string(), "12.5");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct UserMove {
    /// The version that they have now. `null`: no version is active now.
    #[cfg_attr(feature = "admin", schema(example = "v1.0"))]
    pub from: Option<String>,
    /// The version that they would get. `null`: no version would be active.
    #[cfg_attr(feature = "admin", schema(example = "v1.1"))]
    pub to: Option<String>,
    /// The size of the group, in percent of all users.
    pub users: Percent,
}

/// The names of the replicas that serve a change and of those that do not yet.
///
/// The default is the response if the store fails after the change: it is made, and which replicas serve it is not known.
///
/// ```
/// use tower_canary::api::ConvergenceView;
///
/// let unknown = ConvergenceView::default();
/// let json = r#"{"converged":false,"serving":[],"waiting":null}"#;
/// assert_eq!(serde_json::to_string(&unknown)?, json);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ConvergenceView {
    /// Whether all known replicas serve the change. `false` if no replica is known, or the store could not be read.
    pub converged: bool,
    /// The replicas that serve the change.
    #[cfg_attr(feature = "admin", schema(example = json!(["gateway-1"])))]
    pub serving: Vec<String>,
    /// The replicas that do not serve the change yet. `null`: the store could not be read.
    #[cfg_attr(feature = "admin", schema(example = json!(["gateway-2"])))]
    pub waiting: Option<Vec<String>>,
}

impl RolloutEffect {
    /// Creates the effect on the rollout `id`, which then has the phase `now`.
    pub fn new(id: impl Into<String>, now: impl Into<String>) -> Self {
        Self { id: id.into(), now: now.into() }
    }
}

impl From<&Split> for ChangeResult {
    fn from(split: &Split) -> Self {
        Self {
            success: true,
            weight: None,
            switched_to: None,
            dry_run: false,
            moves: None,
            probes: Vec::new(),
            revision: None,
            convergence: None,
            rollout: None,
            split: split.into(),
        }
    }
}

impl From<&Move> for UserMove {
    fn from(users: &Move) -> Self {
        Self {
            from: users.from.as_ref().map(VersionName::to_string),
            to: users.to.as_ref().map(VersionName::to_string),
            // A move has at most all 10,000 slots.
            users: Weight::from_hundredths(users.slots).unwrap_or(Weight::FULL).into(),
        }
    }
}

impl From<Convergence> for ConvergenceView {
    fn from(convergence: Convergence) -> Self {
        Self {
            converged: convergence.is_complete(),
            serving: names(convergence.serving),
            waiting: Some(names(convergence.waiting)),
        }
    }
}

/// Returns the names that operators gave the replicas.
fn names(replicas: Vec<Replica>) -> Vec<String> {
    replicas.into_iter().map(|replica| replica.name).collect()
}
