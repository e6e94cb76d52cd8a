//! When the process of an old version may be stopped: once no gateway that shares the store sends it requests any longer,
//! or waits for an answer of it.
//!
//! Each replica reports the revision that it serves, and then which versions at weight 0 have requests left, or get some from
//! pins and overrides: in this order, so a report says "I have followed the store to there, and *after that* these had requests". Another
//! gateway is done with a version whose weight became 0 at some revision once it has reported that revision or a later
//! one, and the version is not among those. What could go wrong, and why it does not:
//!
//! - *A request that began there before it followed the change.* Whoever has read the route that was replaced is counted
//!   as in flight at every version of the service until it is counted at its own. So the report with the revision has it.
//! - *A report from before the change.* It has a lower revision, and counts for nothing.
//! - *Which revision the change has.* That of a change made here is in its answer. One that was read comes with the
//!   revision that the store had *before* it was read, so it may be later than that: its revision counts as unknown, and
//!   everyone else as behind, until the store is read once more, which is then no earlier than the change. It is noted
//!   before the route is published, and asked for after the figures of this gateway were read.
//! - *Reports that overtake each other.* The earlier one has a lower revision, or tells of a time when the version was
//!   drained already; or it names what it no longer has, until it is repeated within 5 seconds.
//! - *A replica that cannot read the split.* It goes on with the one before, reports what it serves of it like what it
//!   drains, and so holds the version.
//! - *A replica that starts.* It reports revision 0 before it reads any route.
//! - *A replica that has changed on.* This gateway follows it before it answers.
//!
//! Three are not waited for. One whose reports have [expired](Replica::EXPIRY): it is gone, or it cannot reach the store
//! and serves what it has. One that does not [report](super::Builder::with_replica_name). And one whose
//! [`run`](Deployments::run) has ended while it still answers requests: it withdraws then.
//!
//! While a version is active, pins and overrides may bring it requests at weight 0, so gateways that have a layer with one
//! hold it; make it inactive first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::MutexGuard;

use super::Deployments;
use super::converge::Identity;
use crate::common::lock::lock;
use crate::routing::{ServiceName, VersionName};
use crate::store::{Draining, Replica, Report, StoreError};

/// By which revision of the store what is served was stored: of each service, since others may change all the time.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// That of services not named below.
    all: Option<u64>,
    known: BTreeMap<ServiceName, u64>,
    /// Published with the last snapshot, and perhaps later than that.
    unknown: BTreeSet<ServiceName>,
}

impl Stored {
    /// A snapshot was read, of the time at `revision`: after all that was published before.
    pub(super) fn note_read(&mut self, revision: u64) {
        self.all.get_or_insert(revision);
        self.known.extend(std::mem::take(&mut self.unknown).into_iter().map(|service| (service, revision)));
    }

    /// The split of `service` in that snapshot is about to be published.
    pub(super) fn note_published(&mut self, service: &ServiceName) {
        self.unknown.insert(service.clone());
    }

    /// A whole snapshot is about to be published.
    pub(super) fn note_published_whole(&mut self) {
        *self = Self::default();
    }

    /// What a change made at `revision` is about to be published.
    pub(super) fn note_answered(&mut self, service: &ServiceName, revision: u64) {
        let known = self.known.entry(service.clone()).or_default();
        *known = revision.max(*known);
    }

    fn revision(&self, service: &ServiceName) -> Option<u64> {
        if self.unknown.contains(service) {
            return None;
        }
        self.known.get(service).copied().or(self.all)
    }
}

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
        let needed = self.deployments.stored().revision(&self.service);
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
        let served = self.followed().revision();
        if others.iter().any(|other| other.revision > served) || self.stored().revision(service).is_none() {
            self.refresh().await?;
        }
        Ok(OtherReplicas { deployments: self.clone(), service: service.clone(), others })
    }

    pub(super) fn stored(&self) -> MutexGuard<'_, Stored> {
        lock(&self.shared.stored)
    }

    /// What this process has to say of itself.
    pub(super) fn report_of(&self, Identity { id, name }: &Identity) -> Report {
        // First the revision: what is found then was there when it was served.
        let freshness = self.freshness();
        let is_outdated = |service: &str| freshness.broken.iter().any(|broken| broken.service == service);
        let draining = self.shared.handle.draining(is_outdated).into_iter();
        let draining = draining.map(|(service, version)| Draining { service, version }).collect();
        Report::new(id, name, freshness.revision).with_draining(draining)
    }
}
