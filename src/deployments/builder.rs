//! The constructors of [`Deployments`], and the options before the start.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::apply::Applier;
use super::audit::Audit;
use super::background::Background;
use super::checker::Checker;
use super::deployments::{Deployments, HealthParts, Parts};
use super::loader::Loader;
use super::publisher::Publisher;
use super::replicas::{Identity, Replicas};
use super::snapshot_cache::SnapshotCache;
use super::version_check::{NoVersionCheck, VersionCheck};
use crate::handle::RoutingHandle;
use crate::health::Health;
use crate::routing::{Backend, Draw};
use crate::store::{MemoryStore, RouteStore, StoreError};

/// Options of [`Deployments`]. Created by [`Deployments::builder`], which has an example.
#[derive(Debug)]
#[must_use = "it does nothing until it is started"]
pub struct Builder {
    store: Arc<dyn RouteStore>,
    check: Arc<dyn VersionCheck>,
    handle: RoutingHandle,
    identity: Option<Identity>,
    admin_url: Option<Backend>,
    cache: Option<Arc<dyn SnapshotCache>>,
    health: Option<Health>,
}

impl Deployments {
    /// Loads all routes of `store` and publishes them to a new handle with the exact draw.
    ///
    /// `check` decides which URLs may be registered, and probes versions before they get traffic. A single split that
    /// cannot be read is left out and [reported](Self::freshness). See [`Deployments`] for an example, and
    /// [`builder`](Self::builder) for options.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the store cannot be read.
    pub async fn start(store: impl RouteStore, check: impl VersionCheck) -> Result<Self, StoreError> {
        Self::builder(store, check).start().await
    }

    /// Returns a builder for the options: routing handle, replica name, snapshot cache, health of instances.
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
    pub fn builder(store: impl RouteStore, check: impl VersionCheck) -> Builder {
        Builder::new(Arc::new(store), Arc::new(check))
    }

    /// Creates deployments on an empty store in memory without a version check: for tests.
    ///
    /// [`Draw::Seeded`] makes choices repeatable.
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
}

impl Builder {
    /// Begins with the defaults: a handle of its own, no replica name, no cache, no health.
    pub(super) fn new(store: Arc<dyn RouteStore>, check: Arc<dyn VersionCheck>) -> Self {
        Self {
            store,
            check,
            handle: RoutingHandle::new(),
            identity: None,
            admin_url: None,
            cache: None,
            health: None,
        }
    }

    /// Sets the handle to publish to. It decides the [`Draw`]. By default, a new handle with
    /// [`Draw::Exact`].
    pub fn with_handle(self, handle: RoutingHandle) -> Self {
        Self { handle, ..self }
    }

    /// Sets the name, of at most 255 characters, under which this process reports to the store what it serves. By
    /// default, it does not report.
    ///
    /// [`replicas`](Deployments::replicas) then lists it, [`wait_converged`](Deployments::wait_converged) waits for it,
    /// and [`other_replicas`](Deployments::other_replicas) of the other processes includes it. Two processes of one name
    /// are two replicas. The cost is a small write every 5 seconds, after each change, and when a version is drained.
    pub fn with_replica_name(self, name: impl Into<String>) -> Self {
        Self { identity: Some(Identity::new(name.into())), ..self }
    }

    /// Sets the base URL under which other gateways and operators reach the admin API of this process. By default, none.
    ///
    /// Figures of traffic are those of one gateway. A client reads the `adminUrl` of each from `GET /deployment/replicas`
    /// and asks every gateway for its own. Nothing connects to the URL by itself. Without a
    /// [replica name](Self::with_replica_name) it has no effect.
    ///
    /// ```
    /// use tower_canary::store::MemoryStore;
    /// use tower_canary::{Deployments, NoVersionCheck};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let deployments = Deployments::builder(MemoryStore::new(), NoVersionCheck)
    ///     .with_replica_name("gateway-1")
    ///     .with_admin_url("http://10.0.0.5:8081/api/v1/admin".parse()?)
    ///     .start()
    ///     .await?;
    /// let url = deployments.replicas().await?.remove(0).admin_url;
    /// assert_eq!(url.as_deref(), Some("http://10.0.0.5:8081/api/v1/admin"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_admin_url(self, url: Backend) -> Self {
        Self { admin_url: Some(url), ..self }
    }

    /// Sets a cache, to which the served routes are saved and from which the process starts when the store cannot be
    /// read. Without a cache, a start fails while the store is down.
    ///
    /// [`SnapshotCache`] has an example of a cache. `SqlStore::connect_lazy` creates a store that need not be reachable
    /// at the start.
    pub fn with_cache(self, cache: impl SnapshotCache) -> Self {
        Self { cache: Some(Arc::new(cache)), ..self }
    }

    /// Takes instances out of service while their checks or the requests to them fail. By default, requests are spread over
    /// all instances of a version.
    ///
    /// [`Deployments::run`] has to run, since it makes the checks and ends the ejections. The version check of these
    /// deployments probes each instance of an active version whose service has a
    /// [health path](crate::routing::Registration::with_health_path). The [handle](Self::with_handle) must not have published
    /// routes yet. See [`Health`] for an example.
    pub fn with_health(self, health: Health) -> Self {
        Self { health: Some(health), ..self }
    }

    /// Loads all routes and publishes them.
    ///
    /// A single split that cannot be read is left out and [reported](Deployments::freshness).
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the store cannot be read and no [cache](Self::with_cache) has routes;
    /// [`StoreError::TextRefused`] if the replica name is too long.
    pub async fn start(self) -> Result<Deployments, StoreError> {
        if let Some(identity) = &self.identity {
            identity.check()?;
        }
        let deployments = self.build();
        let Parts { replicas, loader, cache, .. } = deployments.parts();
        // Before the routes are read: a change that is made meanwhile then waits for this replica too.
        replicas.report_start().await;
        if let Err(error) = loader.refresh().await {
            let Some(cache) = cache else { return Err(error) };
            loader.start_from_cache(&**cache, error).await?;
        }
        Ok(deployments)
    }

    /// Builds the parts without reading the store.
    pub(super) fn build(self) -> Deployments {
        let Self { store, check, handle, identity, admin_url, cache, health } = self;
        let identity = identity.map(|identity| identity.with_admin_url(admin_url.as_ref()));
        let publisher = Arc::new(Publisher::new(handle.clone()));
        let loader = Arc::new(Loader::new(Arc::clone(&store), Arc::clone(&publisher)));
        let checker = Arc::new(Checker::new(check));
        let audit = Arc::new(Audit::new(Arc::clone(&store), handle.clone()));
        let replicas = Arc::new(Replicas::new(Arc::clone(&store), Arc::clone(&publisher), identity));
        let applier = Applier {
            store: Arc::clone(&store),
            checker: Arc::clone(&checker),
            loader: Arc::clone(&loader),
            publisher: Arc::clone(&publisher),
            audit: Arc::clone(&audit),
            unpublished: Arc::default(),
        };
        Deployments::from_parts(Parts {
            store,
            publisher,
            loader,
            checker,
            audit,
            unpublished: Arc::clone(&applier.unpublished),
            applier,
            replicas,
            cache,
            health: health.map(|settings| HealthParts::new(settings, &handle)),
            background: Background::default(),
            poll_millis: AtomicU64::new(0),
            #[cfg(feature = "metrics")]
            exporter: std::sync::OnceLock::new(),
        })
    }
}
