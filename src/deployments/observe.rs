//! The methods that read: how fresh the routes are, the duties, the history, and the replicas.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::background::DutyStatus;
use super::convergence::{Convergence, wait_converged};
use super::deployments::{Deployments, Parts};
use super::drain::OtherReplicas;
use super::error::DeployError;
use super::progress::Freshness;
use crate::routing::{Change, ServiceName};
use crate::store::{HistoryEntry, Refusal, Replica, StoreError};

/// Routes are never stale at a lower age: a read that failed is repeated after 3.6 seconds at most.
const STALE_AFTER: Duration = Duration::from_secs(5);

impl Deployments {
    /// Returns the revision that is served, its age, and the stored splits that cannot be read.
    ///
    /// ```
    /// use tower_canary::store::MemoryStore;
    /// use tower_canary::{Deployments, NoVersionCheck};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let deployments = Deployments::start(MemoryStore::new(), NoVersionCheck).await?;
    /// let freshness = deployments.freshness();
    /// assert!(!freshness.from_cache && freshness.broken.is_empty());
    /// println!("revision {}, the latest {:?} ago", freshness.revision, freshness.age);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        self.parts().publisher.freshness()
    }

    /// Returns whether the routes are older than the period of [`run`](Self::run) explains: the store cannot be reached, the
    /// [cache](super::Builder::with_cache) is served, or `run` does not run. The limit is three periods, at
    /// least 5 seconds. Before the first `run` it is 5 seconds.
    ///
    /// ```
    /// use tower_canary::{Deployments, Draw};
    ///
    /// assert!(!Deployments::in_memory(Draw::Exact).is_stale());
    /// ```
    #[must_use]
    pub fn is_stale(&self) -> bool {
        // Relaxed: a value of its own, which orders nothing.
        let period = Duration::from_millis(self.parts().poll_millis.load(Ordering::Relaxed));
        let freshness = self.freshness();
        freshness.from_cache || freshness.age > period.saturating_mul(3).max(STALE_AFTER)
    }

    /// Returns the status of each background duty, in the order of their names. Empty before the first
    /// [`run`](Self::run).
    ///
    /// ```
    /// # use std::time::Duration;
    /// use tower_canary::{Deployments, Draw};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let deployments = Deployments::in_memory(Draw::Exact);
    /// deployments.clone().run_every(Duration::from_millis(10), tokio::time::sleep(Duration::from_millis(50))).await;
    /// for duty in deployments.duties() {
    ///     println!("{}: {} runs, {} failures", duty.name, duty.runs, duty.failures);
    /// }
    /// # assert!(deployments.duties().iter().any(|duty| duty.name == "refresh" && duty.runs > 0));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn duties(&self) -> Vec<DutyStatus> {
        self.parts().background.statuses()
    }

    /// Returns up to `limit` changes of `service`, latest first, also of one that was removed. `before` leaves out that
    /// generation and later ones. See [`restore_change`](Self::restore_change) for an example.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownService`] or [`StoreError::Unavailable`], in [`DeployError::Store`].
    pub async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, DeployError> {
        self.parts().audit.history(service, before, limit).await
    }

    /// Returns the change that restores the split of `generation`, to show it or for a [`preview`](Self::preview).
    /// [`apply`](Self::apply) looks it up by itself.
    ///
    /// ```
    /// # use tower_canary::routing::Change;
    /// # use tower_canary::store::ChangeRequest;
    /// # use tower_canary::{Deployments, Draw, ServiceName};
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let (deployments, auth): (_, ServiceName) = (Deployments::in_memory(Draw::Exact), "auth".parse()?);
    /// # for (version, url) in [("v1.0", "http://10.0.0.1"), ("v1.1", "http://10.0.0.2")] {
    /// #     let register = Change::register(version.parse()?, url.parse()?);
    /// #     deployments.apply(&auth, ChangeRequest::new(register, "alice")).await?;
    /// # }
    /// let switch = Change::switch("v1.1".parse()?);
    /// deployments.apply(&auth, ChangeRequest::new(switch, "alice")).await?; // generation 3
    /// let latest = &deployments.history(&auth, None, 1).await?[0];
    /// assert_eq!((latest.generation, latest.actor.as_str(), latest.kind.as_str()), (3, "alice", "switch"));
    ///
    /// let undo = deployments.restore_change(&auth, 2).await?;
    /// let applied = deployments.apply(&auth, ChangeRequest::new(undo, "bob")).await?;
    /// assert_eq!(applied.after.versions()[0].weight.percent(), 100.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`DeployError::UnknownGeneration`] if the history does not have the generation; [`DeployError::Store`] if the
    /// service is unknown or the store cannot be read.
    pub async fn restore_change(
        &self,
        service: &ServiceName,
        generation: u64,
    ) -> Result<Change, DeployError> {
        self.parts().audit.restore_change(service, generation).await
    }

    /// Returns up to `limit` refused changes of `service`, latest first, from all processes that share the store. `before`
    /// leaves out the one with that [id](Refusal::id) and later ones. The service need not exist.
    ///
    /// A store keeps the last 1,000 [refusals](Refusal) of all services. A change that failed because the store could
    /// not be reached is not among them.
    ///
    /// ```
    /// # use tower_canary::routing::Change;
    /// # use tower_canary::store::ChangeRequest;
    /// # use tower_canary::{Deployments, Draw, ServiceName};
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let (deployments, auth): (_, ServiceName) = (Deployments::in_memory(Draw::Exact), "auth".parse()?);
    /// let switch = Change::switch("v1.1".parse()?);
    /// assert!(deployments.apply(&auth, ChangeRequest::new(switch, "alice")).await.is_err());
    /// let refused = &deployments.refusals(&auth, None, 10).await?[0];
    /// assert_eq!((refused.actor.as_str(), refused.asked.as_str()), ("alice", "switch to v1.1"));
    /// assert_eq!(refused.why, "service auth is not registered: register a version of it first");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] in [`DeployError::Store`].
    pub async fn refusals(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Refusal>, DeployError> {
        self.parts().audit.refusals(service, before, limit).await
    }

    /// Returns the replicas that share the store, ordered by name, as they reported within the last
    /// [`Replica::EXPIRY`]. A process is a replica if it has a [name](super::Builder::with_replica_name).
    ///
    /// ```
    /// use tower_canary::store::MemoryStore;
    /// use tower_canary::{Deployments, NoVersionCheck};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let deployments = Deployments::builder(MemoryStore::new(), NoVersionCheck)
    ///     .with_replica_name("gateway-1")
    ///     .start()
    ///     .await?;
    /// let replicas = deployments.replicas().await?;
    /// assert_eq!(replicas[0].name, "gateway-1");
    /// assert_eq!(Some(replicas[0].id.as_str()), deployments.replica_id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the store cannot be read.
    pub async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        self.parts().replicas.all().await
    }

    /// Returns the id under which this process reports, or `None` if it has no
    /// [name](super::Builder::with_replica_name). It is random, so two processes of one name differ. See
    /// [`replicas`](Self::replicas) for an example.
    #[must_use]
    pub fn replica_id(&self) -> Option<&str> {
        self.parts().replicas.id()
    }

    /// Returns the [name](super::Builder::with_replica_name) under which this process reports, if it has one.
    #[must_use]
    pub fn replica_name(&self) -> Option<&str> {
        self.parts().replicas.name()
    }

    /// Waits until all replicas serve `revision`, at most for `limit`. [`Applied::revision`](crate::store::Applied::revision) is the revision of a
    /// change.
    ///
    /// Only replicas that [report](super::Builder::with_replica_name) count, this one included. A replica that cannot reach
    /// the store serves its last routes, and is not counted after its last report has expired.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_canary::routing::Change;
    /// # use tower_canary::store::{ChangeRequest, MemoryStore};
    /// # use tower_canary::{Deployments, NoVersionCheck};
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// # let deployments = Deployments::builder(MemoryStore::new(), NoVersionCheck).with_replica_name("gateway-1").start().await?;
    /// # let register = Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?);
    /// let applied = deployments.apply(&"auth".parse()?, ChangeRequest::new(register, "alice")).await?;
    /// let convergence = deployments.wait_converged(applied.revision, Duration::from_secs(5)).await?;
    /// assert!(convergence.waiting.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the last read within `limit` failed, or none completed.
    pub async fn wait_converged(&self, revision: u64, limit: Duration) -> Result<Convergence, StoreError> {
        wait_converged(&self.parts().replicas, &self.parts().loader, revision, limit).await
    }

    /// Returns the other gateways that share the store, with the versions of `service` for which they may still have
    /// requests.
    ///
    /// The process of a version may be stopped once the version [is drained](crate::RoutingHandle::is_drained) here, and then
    /// none of the others [blocks](OtherReplicas::blockers) it, asked in this order: this call may load changes after
    /// which the version gets requests again. Repeat the call every 100 ms or so until then. Only
    /// gateways that [report](super::Builder::with_replica_name) count. One that cannot reach the store is not waited for
    /// after its last report has expired, nor is one whose [`run`](Self::run) has ended.
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
    /// let others = deployments.other_replicas(&auth).await?;
    /// let is_drained_here = deployments.handle().is_drained("auth", "v1.0");
    /// let may_be_stopped = is_drained_here && others.blockers(&old).next().is_none();
    /// # assert!(may_be_stopped);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the store cannot be read.
    pub async fn other_replicas(&self, service: &ServiceName) -> Result<OtherReplicas, StoreError> {
        let Parts { replicas, loader, publisher, .. } = self.parts();
        OtherReplicas::read(replicas, loader, publisher, service).await
    }
}
