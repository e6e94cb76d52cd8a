//! The other gateways that may still have requests for a version.

use super::Deployments;
use super::convergence::Identity;
use crate::routing::{ServiceName, VersionName};
use crate::store::{Draining, Replica, Report, StoreError};

/// The other gateways that share the store, as seen when a service was asked about. See
/// [`Deployments::other_replicas`] for an example.
#[derive(Clone, Debug)]
pub struct OtherReplicas {
    deployments: Deployments,
    service: ServiceName,
    others: Vec<Replica>,
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
    /// It has some, or pins and overrides may bring it some.
    Draining,
    /// It has not followed the last change of the service yet.
    Behind,
}

impl DrainBlocker {
    /// As the admin API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Behind => "behind",
        }
    }
}

impl OtherReplicas {
    /// Those that may still have requests for `version`. To be asked after what this gateway does.
    pub fn blockers(&self, version: &VersionName) -> impl Iterator<Item = (&Replica, DrainBlocker)> {
        let needed = self.deployments.shared.publisher.served_revision(&self.service);
        let draining = Draining { service: self.service.clone(), version: version.clone() };
        self.others.iter().filter_map(move |replica| {
            if needed.is_none_or(|needed| replica.revision < needed) {
                return Some((replica, DrainBlocker::Behind));
            }
            replica.draining.contains(&draining).then_some((replica, DrainBlocker::Draining))
        })
    }
}

impl Deployments {
    /// The other gateways that share the store, and which versions of `service` they may still have requests for. The
    /// process of a version may be stopped once it [is drained](crate::RoutingHandle::is_drained) here, and then none of
    /// the others [holds](OtherReplicas::blockers) it. Ask again every 100 ms or so until then.
    ///
    /// Those count that [report](super::Builder::with_replica_name) and have lately; one that cannot reach the store is not waited
    /// for once its last report has expired, nor is one whose [`run`](Self::run) has ended.
    ///
    /// ```
    /// # use tower_canary::routing::Change;
    /// # use tower_canary::store::{ChangeRequest, MemoryStore};
    /// # use tower_canary::{Deployments, NoVersionCheck, ServiceName, VersionName};
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// # let deployments = Deployments::builder(MemoryStore::new(), NoVersionCheck).with_replica_name("gateway-1").start().await?;
    /// # let (auth, old): (ServiceName, VersionName) = ("auth".parse()?, "v1.0".parse()?);
    /// # for (version, url) in [("v1.0", "http://10.0.0.1"), ("v1.1", "http://10.0.0.2")] {
    /// #     let register = Change::register(version.parse()?, url.parse()?);
    /// #     deployments.apply(&auth, ChangeRequest::new(register, "alice")).await?;
    /// # }
    /// let switch = Change::switch("v1.1".parse()?);
    /// deployments.apply(&auth, ChangeRequest::new(switch, "alice")).await?;
    /// let is_drained_here = deployments.handle().is_drained("auth", "v1.0") == Some(true);
    /// let elsewhere = deployments.other_replicas(&auth).await?;
    /// let may_be_stopped = is_drained_here && elsewhere.blockers(&old).next().is_none();
    /// # assert!(may_be_stopped);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the store cannot be read.
    pub async fn other_replicas(&self, service: &ServiceName) -> Result<OtherReplicas, StoreError> {
        let mut others = self.stored_replicas().await?;
        others.retain(|replica| Some(replica.id.as_str()) != self.replica_id());
        let served = self.shared.publisher.revision();
        if others.iter().any(|other| other.revision > served)
            || self.shared.publisher.served_revision(service).is_none()
        {
            self.refresh().await?;
        }
        Ok(OtherReplicas { deployments: self.clone(), service: service.clone(), others })
    }

    /// What this process has to say of itself.
    pub(super) fn report_of(&self, Identity { id, name }: &Identity) -> Report {
        // First the revision: what is found then was there when it was served.
        let freshness = self.freshness();
        let is_outdated = |service: &str| freshness.broken.iter().any(|broken| broken.service == service);
        let draining = self.handle().draining(is_outdated).into_iter();
        let draining = draining.map(|(service, version)| Draining { service, version }).collect();
        Report::new(id, name, freshness.revision).with_draining(draining)
    }
}
