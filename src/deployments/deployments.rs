//! The facade: [`Deployments`] delegates to the parts, each of which owns its state.

use std::future::Future;
use std::sync::Arc;
#[cfg(feature = "metrics")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::apply::Applier;
use super::audit::Audit;
use super::background::{Background, Duty, HealthChecker, Refresher, Reporter, Sampler, SnapshotSaver};
use super::checker::Checker;
use super::checks::HealthLog;
use super::deployed::Deployed;
use super::error::DeployError;
use super::loader::Loader;
use super::preview::preview;
use super::publisher::Publisher;
#[cfg(feature = "metrics")]
use super::recorder::Exporter;
use super::replicas::Replicas;
use super::snapshot_cache::SnapshotCache;
use crate::common::hash::fnv1a;
use crate::handle::RoutingHandle;
use crate::health::Health;
use crate::routing::{Preview, Registration, ServiceName};
use crate::store::{Applied, ChangeRequest, RouteStore, StoreError};

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
    parts: Arc<Parts>,
}

/// The parts that share the state. The builder creates them.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) store: Arc<dyn RouteStore>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) loader: Arc<Loader>,
    pub(super) checker: Arc<Checker>,
    pub(super) audit: Arc<Audit>,
    pub(super) applier: Applier,
    pub(super) replicas: Arc<Replicas>,
    pub(super) cache: Option<Arc<dyn SnapshotCache>>,
    /// `None`: nobody judges instances.
    pub(super) health: Option<HealthParts>,
    /// Notified by the applier; see there.
    pub(super) unpublished: Arc<Notify>,
    pub(super) background: Background,
    /// The period of the last [`run`](Deployments::run) in milliseconds, within its limits. 0: there was none.
    pub(super) poll_millis: AtomicU64,
    /// Created by the first export.
    #[cfg(feature = "metrics")]
    pub(super) exporter: OnceLock<Box<dyn Exporter>>,
}

/// The parts that judge the health of instances.
#[derive(Debug)]
pub(super) struct HealthParts {
    settings: Arc<Health>,
    pub(super) log: Arc<HealthLog>,
}

impl HealthParts {
    /// Judges the instances of routes that are published to `handle` from now on.
    pub(super) fn new(settings: Health, handle: &RoutingHandle) -> Self {
        let settings = Arc::new(settings);
        handle.set_health(Arc::clone(&settings));
        Self { settings, log: Arc::default() }
    }

    /// Creates the duty that checks instances. Each call of [`Deployments::run`] has its own.
    fn duty(&self, parts: &Parts) -> HealthChecker {
        // By the id and not by the name: gateways may share a name, and must not check an instance at the same moment.
        let seed = parts.replicas.id().map_or_else(rand::random, fnv1a);
        let Self { settings, log } = self;
        HealthChecker::new(Arc::clone(&parts.checker), &parts.publisher, Arc::clone(log), settings, seed)
    }
}

impl Deployments {
    /// Creates the facade of parts that were started.
    pub(super) fn from_parts(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// Returns the parts, for the methods that live in other files of this module.
    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Returns the handle with the published routes, which requests follow. [Layers](crate::WeightedVersionLayer) are
    /// created with it.
    #[must_use]
    pub fn handle(&self) -> &RoutingHandle {
        self.parts.publisher.handle()
    }

    /// Applies a change: checks, stores and publishes it. Requests that start after it returns follow the new split.
    ///
    /// A version without weight is probed before it gets some, unless the request is
    /// [forced](ChangeRequest::without_check) or the version is the first of its service: at least half of its instances must
    /// pass. If the future is dropped
    /// half-way, the change is made or not; if it is, [`run`](Self::run) publishes it immediately. If the
    /// [draw](RoutingHandle::draw) is seeded and the change creates the service, the salt of the service is derived from
    /// the seed, so that keys get the same versions in every test.
    ///
    /// Each change that changed something is one `info` event of `tracing`. Each refused change is one `warn` event and
    /// is recorded for [`refusals`](Self::refusals). See [`Deployments`] for an example.
    ///
    /// # Errors
    ///
    /// [`DeployError`] names the reason. A [`Change::Restore`](crate::routing::Change::Restore) without shares is looked
    /// up in the history first, and fails with [`DeployError::UnknownGeneration`] if it is not there. If the store was lost during the commit
    /// ([`StoreError::Unavailable`]), the change may still have been made: read the split again.
    pub async fn apply(&self, service: &ServiceName, request: ChangeRequest) -> Result<Applied, DeployError> {
        self.apply_probed(service, request).await.map(|deployed| deployed.applied)
    }

    /// Applies a change as [`apply`](Self::apply) does, and also returns the results of the probes that it needed. If too
    /// many failed, they are in [`DeployError::Unhealthy`].
    ///
    /// ```
    /// # use tower_canary::routing::Change;
    /// # use tower_canary::store::ChangeRequest;
    /// # use tower_canary::{Deployments, Draw};
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let deployments = Deployments::in_memory(Draw::Exact);
    /// let register = Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?);
    /// let deployed = deployments.apply_probed(&"auth".parse()?, ChangeRequest::new(register, "alice")).await?;
    /// for probe in &deployed.probes {
    ///     match &probe.healthy {
    ///         Ok(healthy) => println!("{}: {} in {:?}", probe.backend, healthy.status, healthy.took),
    ///         Err(unhealthy) => println!("{}: {unhealthy}", probe.backend),
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply).
    pub async fn apply_probed(
        &self,
        service: &ServiceName,
        request: ChangeRequest,
    ) -> Result<Deployed, DeployError> {
        self.parts.applier.apply(service, request).await
    }

    /// Registers a version, unless the service has one of that name already: for versions that come from configuration.
    ///
    /// # Seeding versions from configuration
    ///
    /// Call it at the start for each version of the configuration, in the same order in every gateway:
    ///
    /// ```
    /// use tower_canary::routing::Registration;
    /// use tower_canary::{Deployments, Draw};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let deployments = Deployments::in_memory(Draw::Exact);
    /// let configured = [("auth", "v1.0", "http://10.0.0.1:8080"), ("auth", "v1.1", "http://10.0.0.2:8080")];
    /// for (service, version, url) in configured {
    ///     let registration = Registration::new(version.parse()?, url.parse()?);
    ///     deployments.register_if_absent(&service.parse()?, registration, "configuration").await?;
    /// }
    /// // The first version of a service gets all traffic, a later one none.
    /// # let route = deployments.handle().route("auth").ok_or("not published")?;
    /// # assert_eq!(route.split().versions()[0].weight.percent(), 100.0);
    /// # assert_eq!(route.split().versions().len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A registered version stays as it is: its weight, its active flag and the health path of the service are not
    /// compared, since operators change them. Of its base URLs one must be among those of `registration`; others may have
    /// been added or removed. A version that an operator removed is registered again. If several
    /// gateways start together, one of them registers the version and the others find it.
    ///
    /// Nothing is written for a version that is served already, so a start from a
    /// [cache](super::Builder::with_cache) succeeds without the store. The result then has equal splits
    /// [before](Applied::before) and [after](Applied::after).
    ///
    /// # Errors
    ///
    /// [`DeployError::RegisteredElsewhere`] if the version is registered at other URLs only; otherwise as
    /// [`apply`](Self::apply).
    pub async fn register_if_absent(
        &self,
        service: &ServiceName,
        registration: Registration,
        actor: impl Into<String>,
    ) -> Result<Applied, DeployError> {
        self.parts.applier.register_if_absent(service, registration, actor.into()).await
    }

    /// Returns the effect of a change on the split that is served now. Nothing is probed, stored or published.
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
    /// The error that [`apply`](Self::apply) would return for the served split, except [`DeployError::Unhealthy`]. A
    /// [`Change::Restore`](crate::routing::Change::Restore) without shares is refused:
    /// [`restore_change`](Self::restore_change) reads them first.
    pub fn preview(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Preview, DeployError> {
        preview(self.handle(), &self.parts.checker, service, request)
    }

    /// Loads the changes since the last load and publishes them. [`run`](Self::run) does so every second.
    ///
    /// ```
    /// use tower_canary::{Deployments, Draw};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let deployments = Deployments::in_memory(Draw::Exact);
    /// deployments.refresh().await?;
    /// # Ok::<(), tower_canary::store::StoreError>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the store cannot be read. The routes stay as they are.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.parts.loader.refresh().await
    }

    /// Runs the background duties until `shutdown`: follows the store, [reports](super::Builder::with_replica_name) to it,
    /// [saves](super::Builder::with_cache) the routes, samples the [traffic](crate::traffic), and judges the
    /// [health](super::Builder::with_health) of instances.
    ///
    /// The store is read about every second, and immediately when it signals a change (PostgreSQL), so that gateways
    /// that share a store follow each other. A read that failed is repeated after growing pauses of about 3 seconds at
    /// most. A failure or a panic of the store or the cache ends no duty; the first one of several in a row is logged.
    /// [`duties`](Self::duties) returns the status of each duty. The application spawns or joins the returned future.
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

    /// Like [`run`](Self::run), but reads the store about every `period`: up to 20 % sooner or later, so that replicas
    /// spread out. Periods are clamped to 10 ms and a day. See [`run`](Self::run) for an example.
    pub async fn run_every(self, period: Duration, shutdown: impl Future<Output = ()> + Send) {
        let parts = &self.parts;
        let refresher = Refresher::new(
            Arc::clone(&parts.store),
            Arc::clone(&parts.loader),
            Arc::clone(&parts.unpublished),
            period,
        );
        let millis = u64::try_from(refresher.period().as_millis()).unwrap_or(u64::MAX);
        // Relaxed: a value of its own, which orders nothing.
        parts.poll_millis.store(millis, Ordering::Relaxed);
        let mut duties: Vec<Box<dyn Duty>> = vec![Box::new(refresher)];
        if let Some(cache) = &parts.cache {
            duties.push(Box::new(SnapshotSaver::new(
                Arc::clone(cache),
                Arc::clone(&parts.publisher),
                parts.loader.subscribe(),
            )));
        }
        if parts.replicas.can_report() {
            duties.push(Box::new(Reporter::new(Arc::clone(&parts.replicas), parts.loader.subscribe())));
        }
        duties.push(Box::new(Sampler::new(self.handle().clone())));
        if let Some(health) = &parts.health {
            duties.push(Box::new(health.duty(parts)));
        }
        parts.background.run(duties, shutdown).await;
    }

    /// Waits until each [`run`](Self::run) has ended, and forever if there was none. A response that lasts as long as
    /// the process, such as a stream of events, ends with it.
    ///
    /// ```
    /// use tower_canary::{Deployments, Draw};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let deployments = Deployments::in_memory(Draw::Exact);
    /// deployments.clone().run(async {}).await;
    /// deployments.ended().await;
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn ended(&self) {
        self.parts.background.ended().await;
    }

    /// Closes the store: see [`RouteStore::close`]. To be awaited after [`run`](Self::run), at the end of the process. The
    /// routes stay in use.
    ///
    /// ```
    /// use tower_canary::{Deployments, Draw};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let deployments = Deployments::in_memory(Draw::Exact);
    /// deployments.clone().run(async {}).await;
    /// deployments.close().await;
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn close(&self) {
        self.parts.store.close().await;
    }

    /// Exports metrics with the exporter of these deployments, which the first call creates.
    #[cfg(feature = "metrics")]
    pub(crate) fn export_with(&self, create: fn() -> Box<dyn Exporter>) {
        let probes = self.parts.checker.results().take();
        self.parts.exporter.get_or_init(create).export(self.handle(), &self.freshness(), probes);
    }
}
