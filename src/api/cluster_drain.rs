//! Whether the other gateways still have requests.

use serde::{Deserialize, Serialize};

use crate::deployments::DrainBlocker;
use crate::store::Replica;

/// Whether a version or an instance is drained at all gateways that share the store.
///
/// ```
/// use tower_canary::api::ClusterDrainView;
///
/// let drained = ClusterDrainView::new(true, Some(Vec::new()));
/// assert_eq!(serde_json::to_string(&drained)?, r#"{"elsewhere":[],"drainedEverywhere":true}"#);
/// let unknown = ClusterDrainView::new(true, None);
/// assert_eq!(unknown.drained_everywhere, None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ClusterDrainView {
    /// The other gateways that may still have requests for it. `null`: the store could not be read.
    // Both fields must be present. Otherwise a response without them would read as `Some` in the flattened
    // option.
    #[serde(deserialize_with = "Option::deserialize")]
    pub elsewhere: Option<Vec<DrainBlockerView>>,
    /// Whether it is drained at all gateways, so that its process may be stopped. `null`: not known.
    #[serde(deserialize_with = "Option::deserialize")]
    pub drained_everywhere: Option<bool>,
}

/// Another gateway that may still have requests for a version or an instance.
///
/// See [`ClusterDrainView`] for an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct DrainBlockerView {
    /// The name under which the gateway reports.
    #[cfg_attr(feature = "admin", schema(example = "gateway-2"))]
    pub replica: String,
    /// `draining`: it has requests in flight, or may still get some, for example of pinned users and testers.
    /// `behind`: it has not followed the last change of the service yet.
    #[cfg_attr(feature = "admin", schema(example = "draining"))]
    pub state: String,
}

// === impl ClusterDrainView ===

impl ClusterDrainView {
    /// Combines the state of this gateway with the gateways `elsewhere` that are not done with it.
    /// `None`: it is not known which ones those are.
    #[must_use]
    pub fn new(is_drained_here: bool, elsewhere: Option<Vec<DrainBlockerView>>) -> Self {
        let drained_everywhere = elsewhere.as_ref().map(|blockers| is_drained_here && blockers.is_empty());
        Self { elsewhere, drained_everywhere }
    }
}

// === impl DrainBlockerView ===

impl From<(&Replica, DrainBlocker)> for DrainBlockerView {
    fn from((replica, blocker): (&Replica, DrainBlocker)) -> Self {
        Self { replica: replica.name.clone(), state: blocker.as_str().to_owned() }
    }
}
