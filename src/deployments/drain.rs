//! Decides which other gateways may still have requests for a version. The docs of `progress` say why that is right.

use std::sync::Arc;

use super::loader::Loader;
use super::publisher::Publisher;
use super::replicas::Replicas;
use crate::routing::{ServiceName, VersionName};
use crate::store::{Draining, Replica, StoreError};

/// The other gateways that share the store, as they reported last. Returned by
/// [`Deployments::other_replicas`](super::Deployments::other_replicas), which has an example.
#[derive(Clone, Debug)]
pub struct OtherReplicas {
    publisher: Arc<Publisher>,
    service: ServiceName,
    replicas: Vec<Replica>,
}

/// Why a gateway may still have requests for a version that is to get no more.
///
/// ```
/// use tower_canary::deployments::DrainBlocker;
///
/// assert_eq!(DrainBlocker::Behind.as_str(), "behind");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DrainBlocker {
    /// The gateway has requests for the version, or pins and overrides may bring it some.
    Draining,
    /// The gateway has not followed the last change of the service yet.
    Behind,
}

impl DrainBlocker {
    /// Returns the name that the admin API uses: `draining` or `behind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Behind => "behind",
        }
    }
}

impl OtherReplicas {
    /// Reads the reports of the other replicas, and the store as far as they are.
    pub(super) async fn read(
        replicas: &Replicas,
        loader: &Loader,
        publisher: &Arc<Publisher>,
        service: &ServiceName,
    ) -> Result<Self, StoreError> {
        let others = replicas.others().await?;
        let latest = others.iter().map(|other| other.revision).max().unwrap_or(0);
        if publisher.served_revision(service).is_none() {
            loader.refresh().await?;
        } else {
            loader.refresh_to(latest).await?;
        }
        Ok(Self { publisher: Arc::clone(publisher), service: service.clone(), replicas: others })
    }

    /// Iterates over the gateways that may still have requests for `version`, each with the reason.
    ///
    /// Read the counters of this gateway first, as with
    /// [`RoutingHandle::is_drained`](crate::RoutingHandle::is_drained).
    pub fn blockers(&self, version: &VersionName) -> impl Iterator<Item = (&Replica, DrainBlocker)> {
        // Read now rather than before: the route whose counters the caller has read is recorded by now.
        let needed = self.publisher.served_revision(&self.service);
        let draining = Draining::new(self.service.clone(), version.clone());
        self.replicas.iter().filter_map(move |replica| {
            let reason = blocker(replica, needed, &draining)?;
            Some((replica, reason))
        })
    }
}

/// Returns why `replica` may still have requests for the version, if the change that drains it is in the store at the
/// revision `needed`.
fn blocker(replica: &Replica, needed: Option<u64>, draining: &Draining) -> Option<DrainBlocker> {
    let has_followed = needed.is_some_and(|needed| replica.revision >= needed);
    if !has_followed {
        return Some(DrainBlocker::Behind);
    }
    replica.draining.contains(draining).then_some(DrainBlocker::Draining)
}
