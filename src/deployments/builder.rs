//! What there is to choose before the start.

use std::sync::Arc;

use super::convergence::Identity;
use super::loader::Loader;
use super::publisher::Publisher;
use super::snapshot_cache::SnapshotCache;
use super::version_check::VersionCheck;
use super::{Deployments, Shared};
use crate::handle::RoutingHandle;
use crate::store::{RouteStore, StoreError};

/// Starts [`Deployments`]; made by [`Deployments::builder`], which has an example.
#[derive(Debug)]
#[must_use = "it does nothing until it is started"]
pub struct Builder {
    store: Arc<dyn RouteStore>,
    preflight: Arc<dyn VersionCheck>,
    handle: RoutingHandle,
    identity: Option<Identity>,
    cache: Option<Arc<dyn SnapshotCache>>,
}

impl Builder {
    pub(super) fn new(store: Arc<dyn RouteStore>, preflight: Arc<dyn VersionCheck>) -> Self {
        Self { store, preflight, handle: RoutingHandle::new(), identity: None, cache: None }
    }

    /// Publishes to `handle`: the place to choose a [`Draw`](crate::Draw).
    pub fn with_handle(self, handle: RoutingHandle) -> Self {
        Self { handle, ..self }
    }

    /// Reports to the store what this process serves, under `name`, at most 255 characters: so that
    /// [`replicas`](Deployments::replicas) shows it and [`wait_converged`](Deployments::wait_converged) waits for it. Two of one
    /// name are told apart. It costs a small write every 5 seconds, after each change, and when a version is drained.
    pub fn with_replica_name(self, name: impl Into<String>) -> Self {
        Self { identity: Some(Identity::new(name.into())), ..self }
    }

    /// Keeps the routes served last in `cache`, and starts with them when the store cannot be read.
    /// [`SnapshotCache`] has an example of one; `SqlStore::connect_lazy` makes a store that need not be reached at the start.
    pub fn with_cache(self, cache: impl SnapshotCache) -> Self {
        Self { cache: Some(Arc::new(cache)), ..self }
    }

    /// Loads all routes and publishes them.
    ///
    /// # Errors
    ///
    /// When the store cannot be read and no [cache](Self::with_cache) helps; [`StoreError::TextRefused`] for a name
    /// that is too long. A single split that cannot be read is left out and [reported](Deployments::freshness).
    pub async fn start(self) -> Result<Deployments, StoreError> {
        self.identity.as_ref().map_or(Ok(()), Identity::check)?;
        let deployments = self.build();
        // Before the routes are read: who waits for a change that is made meanwhile waits for this one too.
        deployments.report_start().await;
        let Err(error) = deployments.refresh().await else { return Ok(deployments) };
        match &deployments.shared.cache {
            Some(cache) => deployments.shared.loader.start_from_cache(&**cache, error).await?,
            None => return Err(error),
        }
        Ok(deployments)
    }

    /// Without looking at the store.
    pub(super) fn build(self) -> Deployments {
        let Self { store, preflight, handle, identity, cache } = self;
        let publisher = Arc::new(Publisher::new(handle));
        let loader = Loader::new(Arc::clone(&store), Arc::clone(&publisher));
        Deployments {
            shared: Arc::new(Shared {
                store,
                preflight,
                publisher,
                loader,
                identity,
                cache,
                unpublished: tokio::sync::Notify::new(),
                #[cfg(feature = "metrics")]
                meter: super::meter::Meter::default(),
                running: tokio::sync::watch::Sender::new(None),
            }),
        }
    }
}
