//! Applies changes and keeps routes fresh: preflight, store, publish.
//!
//! [`Deployments`] ties a [`RouteStore`] to a [`RoutingHandle`]. [`apply`](Deployments::apply) makes a change and has
//! published it when it answers; [`run`](Deployments::run) follows the changes that other processes make to the same
//! store. When the store fails, the routes published last stay.
//!
//! ```
//! use tower_canary::routing::{Change, Registration};
//! use tower_canary::store::{ChangeRequest, MemoryStore};
//! use tower_canary::{Deployments, NoVersionCheck, ServiceName};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let deployments = Deployments::start(MemoryStore::new(), NoVersionCheck).await?;
//! let following = tokio::spawn(deployments.clone().run(std::future::pending()));
//!
//! let orders: ServiceName = "orders".parse()?;
//! let by_alice = |change| ChangeRequest::new(change, "alice");
//! let v1 = Registration::new("v1".parse()?, "http://10.0.0.1:8080".parse()?);
//! let v2 = Registration::new("v2".parse()?, "http://10.0.0.2:8080".parse()?).with_weight("10".parse()?);
//! deployments.apply(&orders, by_alice(Change::Register(v1))).await?;
//! let applied = deployments.apply(&orders, by_alice(Change::Register(v2))).await?;
//! assert_eq!(applied.after.versions()[0].weight.percent(), 90.0);
//! # following.abort();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod audit;
mod builder;
mod cache;
mod converge;
mod drain;
mod error;
mod follow;
#[cfg(feature = "metrics")]
pub mod meter;
#[cfg(not(feature = "metrics"))]
#[path = "no_meter.rs"]
mod meter;
mod preflight;
mod refresh;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use self::builder::Builder;
pub use self::cache::SnapshotCache;
pub use self::converge::Convergence;
use self::converge::Identity;
use self::drain::Stored;
pub use self::drain::{DrainBlocker, OtherReplicas};
pub use self::error::DeployError;
pub use self::preflight::{Healthy, NoVersionCheck, Unhealthy, UrlRefused, VersionCheck};
use self::refresh::Followed;
pub use self::refresh::Freshness;
use crate::handle::RoutingHandle;
use crate::routing::{
    Change, ChangeError, Draw, HealthPath, Instances, Preview, Route, ServiceName, Split, Version,
    VersionName,
};
use crate::store::{Applied, ChangeRequest, Clearance, HistoryEntry, MemoryStore, RouteStore, StoreError};

/// How often a change may turn out to serve yet another version that is not probed, because others change the split.
const PROBE_ROUNDS: usize = 8;

/// Applies changes to a store and publishes them to a [`RoutingHandle`]. Clones share everything.
///
/// ```
/// use tower_canary::routing::Change;
/// use tower_canary::store::{ChangeRequest, MemoryStore};
/// use tower_canary::{Deployments, NoVersionCheck, Target, WeightedVersionLayer};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let deployments = Deployments::start(MemoryStore::new(), NoVersionCheck).await?;
/// let layer = WeightedVersionLayer::new(deployments.handle(), Target::service("auth".parse()?));
///
/// let register = Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?);
/// deployments.apply(&"auth".parse()?, ChangeRequest::new(register, "alice")).await?;
/// assert!(deployments.handle().route("auth").is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Deployments {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn RouteStore>,
    preflight: Arc<dyn VersionCheck>,
    handle: RoutingHandle,
    identity: Option<Identity>,
    cache: Option<Arc<dyn SnapshotCache>>,
    followed: Mutex<Followed>,
    stored: Mutex<Stored>,
    /// One refresh at a time, so that a slow one never publishes over a later one.
    refreshing: tokio::sync::Mutex<()>,
    /// The services whose changes were answered while the store is read: what is read of them may be older.
    answered: Mutex<BTreeSet<ServiceName>>,
    /// Counts what was published, so that it is kept once.
    published: AtomicU64,
    /// Told when a change may be stored and is not published, because whoever asked for it went away.
    unpublished: tokio::sync::Notify,
    #[cfg(feature = "metrics")]
    meter: meter::Meter,
    /// How many follow the store; `None` before the first.
    running: tokio::sync::watch::Sender<Option<usize>>,
}

impl Deployments {
    /// Loads all routes of `store` and publishes them to a handle of its own with the exact draw.
    ///
    /// `preflight` decides which URLs may be registered and probes versions before they get traffic.
    ///
    /// # Errors
    ///
    /// When the store cannot be read. A single split that cannot be read is left out and [reported](Self::freshness).
    pub async fn start(store: impl RouteStore, preflight: impl VersionCheck) -> Result<Self, StoreError> {
        Self::builder(store, preflight).start().await
    }

    /// What there is to choose before the start.
    ///
    /// ```
    /// use tower_canary::store::MemoryStore;
    /// use tower_canary::{Deployments, Draw, NoVersionCheck, RoutingHandle};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let deployments = Deployments::builder(MemoryStore::new(), NoVersionCheck)
    ///     .with_handle(RoutingHandle::with_draw(Draw::Seeded(7)))
    ///     .with_replica_name("gateway-1")
    ///     .start()
    ///     .await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(store: impl RouteStore, preflight: impl VersionCheck) -> Builder {
        Builder::new(Arc::new(store), Arc::new(preflight))
    }

    /// An empty store in memory, no preflight: for tests, with the draw `Draw::Seeded` for choices that repeat.
    ///
    /// ```
    /// use tower_canary::{Deployments, Draw};
    ///
    /// let deployments = Deployments::in_memory(Draw::Seeded(7));
    /// assert!(deployments.handle().table().is_empty());
    /// ```
    #[must_use]
    pub fn in_memory(draw: Draw) -> Self {
        let builder = Self::builder(MemoryStore::new(), NoVersionCheck);
        builder.with_handle(RoutingHandle::with_draw(draw)).build()
    }

    /// The routes that requests follow: what layers are made of.
    #[must_use]
    pub fn handle(&self) -> &RoutingHandle {
        &self.shared.handle
    }

    /// Makes a change: preflight, store, publish. Requests that start after it answered follow the new split.
    ///
    /// A version that would get traffic and has none is probed first, unless the request is
    /// [forced](ChangeRequest::forced) or it is the first of its service. A call that is dropped half-way has made the change or not; if it has,
    /// [`run`](Self::run) publishes it at once.
    ///
    /// Each change that changed something is one `info` event of `tracing`; each that was refused is one `warn` event, and
    /// is kept for [`refusals`](Self::refusals).
    ///
    /// # Errors
    ///
    /// [`DeployError`] says why the change was not made. A [`Change::Restore`] without shares is looked up in the history
    /// first: [`DeployError::UnknownGeneration`] when it is not there. If the store was lost during the commit, the change may still
    /// have been made: read the split again.
    pub async fn apply(
        &self,
        service: &ServiceName,
        mut request: ChangeRequest,
    ) -> Result<Applied, DeployError> {
        let outcome = self.make(service, &mut request).await;
        if let Err(error) = &outcome {
            self.note_failure(service, &request, error).await;
        }
        outcome
    }

    async fn make(&self, service: &ServiceName, request: &mut ChangeRequest) -> Result<Applied, DeployError> {
        self.look_up(service, &mut request.change).await?;
        self.admit(&request.change)?;
        for _ in 0..PROBE_ROUNDS {
            match self.store_and_publish(service, request).await {
                Ok(applied) => return Ok(applied),
                Err(StoreError::NotCleared { versions, health_path }) => {
                    for version in versions {
                        self.probe(service, &version, health_path.as_ref()).await?;
                        clear(request, version.name, version.instances);
                    }
                }
                Err(refused) => return Err(refused.into()),
            }
        }
        Err(DeployError::Unsettled)
    }

    async fn store_and_publish(
        &self,
        service: &ServiceName,
        request: &ChangeRequest,
    ) -> Result<Applied, StoreError> {
        if self.freshness().from_cache {
            // What was kept may be ahead of what the store has, and would be taken for the later.
            self.refresh().await?;
        }
        let unpublished = Unpublished(&self.shared.unpublished);
        let applied = self.shared.store.commit(service, request).await;
        meter::called("apply", &applied);
        if let Ok(applied) = &applied {
            // At once, so that whoever asked may go away.
            audit::note_made(request, applied);
            if !self.publish_answered(applied) {
                // A change that was answered first, or a store that went back: it knows.
                let _ = self.refresh().await;
            }
        }
        std::mem::forget(unpublished);
        applied
    }

    /// What the change would do to the split that is served now. Nothing is probed, stored or published.
    ///
    /// ```
    /// # use tower_canary::routing::Change;
    /// # use tower_canary::store::ChangeRequest;
    /// # use tower_canary::{Deployments, Draw};
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let deployments = Deployments::in_memory(Draw::Exact);
    /// # for (version, url) in [("v1.0", "http://10.0.0.1"), ("v1.1", "http://10.0.0.2")] {
    /// #     let register = Change::register(version.parse()?, url.parse()?);
    /// #     deployments.apply(&"auth".parse()?, ChangeRequest::new(register, "alice")).await?;
    /// # }
    /// let tenth = Change::set_weight("v1.1".parse()?, "10".parse()?);
    /// let preview = deployments.preview(&"auth".parse()?, &ChangeRequest::new(tenth, "alice"))?;
    /// assert_eq!(preview.after.versions()[0].weight.percent(), 90.0);
    /// assert_eq!(preview.moves[0].slots, 1_000); // of the users with a key, 10 % move
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Why the change would be refused, but for what a probe would find.
    pub fn preview(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Preview, DeployError> {
        self.admit(&request.change)?;
        let before = match self.shared.handle.route(service.as_str()) {
            Some(route) => route.split().clone(),
            None if matches!(request.change, Change::Register(_)) => Split::new(service.clone(), 0),
            None => return Err(StoreError::UnknownService(service.clone()).into()),
        };
        let after = request.clone().without_check().decide(&before, crate::common::time::now())?;
        Ok(Preview { moves: before.moves(&after), after })
    }

    /// The change that brings back what `generation` of the service left: to look at, or for a [`preview`](Self::preview).
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
    /// [`DeployError::UnknownGeneration`] when the history does not have it; [`DeployError::Store`] when there is no such
    /// service or the store cannot be read.
    pub async fn restore_change(
        &self,
        service: &ServiceName,
        generation: u64,
    ) -> Result<Change, DeployError> {
        let found = self.history(service, generation.checked_add(1), 1).await?;
        match found.into_iter().next().filter(|entry| entry.generation == generation) {
            Some(entry) => Ok(Change::Restore { generation, shares: entry.after }),
            None => Err(DeployError::UnknownGeneration { generation }),
        }
    }

    /// Fills in what is to be restored, where the generation alone is named.
    async fn look_up(&self, service: &ServiceName, change: &mut Change) -> Result<(), DeployError> {
        if let Change::Restore { generation, shares } = change
            && shares.is_empty()
        {
            *change = self.restore_change(service, *generation).await?;
        }
        Ok(())
    }

    /// Up to `limit` changes of `service`, latest first; `before` leaves out that generation and later ones. See
    /// [`restoring`](Self::restore_change) for an example.
    ///
    /// # Errors
    ///
    /// When there is no such service or the store cannot be read.
    pub async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, DeployError> {
        let history = self.shared.store.history(service, before, limit).await;
        meter::called("history", &history);
        Ok(history?)
    }

    /// Probes a version now, as before it gets traffic. `None` when the preflight does not probe.
    ///
    /// ```
    /// # use tower_canary::routing::Change;
    /// # use tower_canary::store::ChangeRequest;
    /// # use tower_canary::{Deployments, Draw, ServiceName};
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let (deployments, auth): (_, ServiceName) = (Deployments::in_memory(Draw::Exact), "auth".parse()?);
    /// # let register = Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?);
    /// # deployments.apply(&auth, ChangeRequest::new(register, "alice")).await?;
    /// match deployments.check(&auth, &"v1.0".parse()?).await {
    ///     Ok(Some(healthy)) => println!("answered {} in {:?}", healthy.status, healthy.took),
    ///     Ok(None) => println!("nobody probes here"),
    ///     Err(unhealthy) => println!("{unhealthy}"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no such version, or it is not healthy.
    pub async fn check(
        &self,
        service: &ServiceName,
        version: &VersionName,
    ) -> Result<Option<Healthy>, DeployError> {
        let route = self.route(service)?;
        let unknown = || StoreError::Refused(ChangeError::UnknownVersion(version.clone()));
        let found = route.split().version(version.as_str()).ok_or_else(unknown)?;
        self.probe(service, found, route.split().health_path()).await
    }

    async fn probe(
        &self,
        service: &ServiceName,
        version: &Version,
        health_path: Option<&HealthPath>,
    ) -> Result<Option<Healthy>, DeployError> {
        let probed = self.shared.preflight.probe(version, health_path).await;
        if !matches!(probed, Ok(None)) {
            meter::probed(service, version, probed.is_ok());
        }
        probed.map_err(|cause| DeployError::Unhealthy { version: version.name.clone(), cause })
    }

    /// How fresh the routes are.
    ///
    /// ```
    /// use tower_canary::store::MemoryStore;
    /// use tower_canary::{Deployments, NoVersionCheck};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let deployments = Deployments::start(MemoryStore::new(), NoVersionCheck).await?;
    /// let freshness = deployments.freshness();
    /// assert!(!freshness.from_cache && freshness.broken.is_empty());
    /// println!("the store's revision {}, known {:?} ago to be the latest", freshness.revision, freshness.age);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        self.followed().freshness()
    }

    /// Follows the store until `shutdown`, refreshing about every second, and at once where the store tells of changes
    /// (PostgreSQL): so that several gateways that share a store follow each other. To be spawned or joined by the host.
    ///
    /// It also [reports](Builder::with_replica_name) what is served, [keeps](Builder::with_cache) it, and takes samples of the
    /// [traffic](crate::traffic). An error is logged, waited out with growing pauses, and never ends it; nor does a panic of
    /// the store.
    ///
    /// ```
    /// use tokio::sync::oneshot;
    /// use tower_canary::{Deployments, Draw};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let deployments = Deployments::in_memory(Draw::Exact);
    /// let (shutdown, begun) = oneshot::channel::<()>();
    /// let following = tokio::spawn(deployments.clone().run(async { drop(begun.await) }));
    /// // ... serve ...
    /// drop(shutdown);
    /// following.await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        self.run_every(Duration::from_secs(1), shutdown).await;
    }

    /// Like [`run`](Self::run), refreshing about every `period`: 20 % sooner or later, so that replicas spread out.
    /// Periods are held within 10 ms and a day. See [`run`](Self::run) for an example.
    pub async fn run_every(self, period: Duration, shutdown: impl Future<Output = ()> + Send) {
        follow::until(&self, period, shutdown).await;
    }

    /// Waits until each [`run`](Self::run) has ended: what would go on for long is to end then. For ever where there was none.
    #[cfg(feature = "admin")]
    pub(crate) async fn ended(&self) {
        // The sender lives as long as this.
        let _ = self.shared.running.subscribe().wait_for(|running| *running == Some(0)).await;
    }

    fn admit(&self, change: &Change) -> Result<(), DeployError> {
        match change {
            Change::Register(registration) => {
                for backend in registration.instances() {
                    self.shared.preflight.admit(backend)?;
                }
            }
            Change::SetUrl { backend, .. } | Change::Update { backend, .. } => {
                self.shared.preflight.admit(backend)?
            }
            _ => {}
        }
        Ok(())
    }

    fn route(&self, service: &ServiceName) -> Result<Arc<Route>, StoreError> {
        let route = self.shared.handle.route(service.as_str());
        route.ok_or_else(|| StoreError::UnknownService(service.clone()))
    }
}

/// Dropped where a change may be stored that nobody published; forgotten where it is settled.
struct Unpublished<'a>(&'a tokio::sync::Notify);

impl Drop for Unpublished<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

fn clear(request: &mut ChangeRequest, version: VersionName, instances: Instances) {
    if let Clearance::Only(cleared) = &mut request.clearance {
        cleared.push((version, instances));
    }
}
