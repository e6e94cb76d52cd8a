//! The reports of the other gateways in the store.

use std::time::Duration;

use tokio::time::timeout;

use crate::api::{ClusterDrainView, DrainBlockerView};
use crate::deployments::{Deployments, OtherReplicas};
use crate::routing::{Backend, ServiceName, VersionName};

/// The longest time that one read of the store may take.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// The other gateways that share the store.
pub(super) enum ClusterView {
    /// This gateway does not report, so it is not one of several.
    Alone,
    /// The store could not be read.
    Unknown,
    /// The gateways that reported lately.
    Known(OtherReplicas),
}

impl ClusterView {
    /// Reads the other gateways from the store. A slow or failing store does not delay the figures of this
    /// gateway.
    pub(super) async fn read(deployments: &Deployments, service: &ServiceName) -> Self {
        if deployments.replica_id().is_none() {
            return Self::Alone;
        }
        match timeout(STORE_TIMEOUT, deployments.other_replicas(service)).await {
            Ok(Ok(others)) => Self::Known(others),
            Ok(Err(_)) | Err(_) => Self::Unknown,
        }
    }

    /// Returns the state at all gateways of `version`, or of its instance at `backend`. `None`: this gateway is not one of
    /// several. If the store could not be read, both fields of the view are `None`.
    pub(super) fn drain_view(
        &self,
        version: &VersionName,
        backend: Option<&Backend>,
        is_drained_here: bool,
    ) -> Option<ClusterDrainView> {
        let elsewhere = match self {
            Self::Alone => return None,
            Self::Unknown => None,
            Self::Known(others) => Some(blockers(others, version, backend)),
        };
        Some(ClusterDrainView::new(is_drained_here, elsewhere))
    }

    /// Returns whether another gateway may still use the version, or its instance at `backend`. Without the store this must
    /// be assumed.
    pub(super) fn is_used_elsewhere(&self, version: &VersionName, backend: Option<&Backend>) -> bool {
        match self {
            Self::Alone => false,
            Self::Unknown => true,
            Self::Known(others) => !blockers(others, version, backend).is_empty(),
        }
    }
}

/// Returns the other gateways that may still use the version, or its instance at `backend`.
fn blockers(
    others: &OtherReplicas,
    version: &VersionName,
    backend: Option<&Backend>,
) -> Vec<DrainBlockerView> {
    match backend {
        Some(backend) => others.instance_blockers(version, backend).map(DrainBlockerView::from).collect(),
        None => others.blockers(version).map(DrainBlockerView::from).collect(),
    }
}
