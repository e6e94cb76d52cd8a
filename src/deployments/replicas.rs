//! This process among the replicas that share a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::figures::Composer;
use super::publisher::Publisher;
use crate::routing::Backend;
use crate::store::{Draining, Replica, ReplicaRegistry, Report, RouteStore, StoreError, check_text};

/// The most characters of a replica's name.
const MAX_NAME: usize = 255;

/// Id and name of this process.
#[derive(Debug)]
pub(super) struct Identity {
    /// Random, so that two processes of one name differ.
    id: String,
    name: String,
    admin_url: Option<String>,
}

impl Identity {
    /// Creates the identity of this process. Its id is random, so two processes of one name differ.
    pub(super) fn new(name: String) -> Self {
        Self { id: format!("{:032x}", rand::random::<u128>()), name, admin_url: None }
    }

    /// Sets the base URL of the admin API.
    pub(super) fn with_admin_url(self, admin_url: Option<&Backend>) -> Self {
        Self { admin_url: admin_url.map(|url| url.as_str().to_owned()), ..self }
    }

    /// Creates a report of this process in which no version drains.
    fn report(&self, revision: u64) -> Report {
        Report::new(&self.id, &self.name, revision).with_admin_url(self.admin_url.clone())
    }

    /// Refuses a name that some database would refuse.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        check_text("replica name", &self.name, MAX_NAME)
    }
}

/// The registry of replicas, and this process in it.
#[derive(Debug)]
pub(super) struct Replicas {
    store: Arc<dyn RouteStore>,
    publisher: Arc<Publisher>,
    identity: Option<Identity>,
    figures: Composer,
    /// Whether the store has taken a report of this process. The first one says that the process starts.
    has_reported: AtomicBool,
}

impl Replicas {
    pub(super) fn new(
        store: Arc<dyn RouteStore>,
        publisher: Arc<Publisher>,
        identity: Option<Identity>,
    ) -> Self {
        let figures = Composer::default();
        Self { store, publisher, identity, figures, has_reported: AtomicBool::new(false) }
    }

    /// Returns the id of this process, if it has a name to report under.
    pub(super) fn id(&self) -> Option<&str> {
        self.identity.as_ref().map(|identity| identity.id.as_str())
    }

    /// Returns the name under which this process reports, if it has one.
    pub(super) fn name(&self) -> Option<&str> {
        self.identity.as_ref().map(|identity| identity.name.as_str())
    }

    /// Returns the replicas that the store has, this one with the revision that it serves now.
    pub(super) async fn all(&self) -> Result<Vec<Replica>, StoreError> {
        let mut replicas = self.registered().await?;
        for replica in replicas.iter_mut().filter(|replica| self.is_this(replica)) {
            replica.revision = self.publisher.revision();
        }
        Ok(replicas)
    }

    /// Returns the other replicas as they reported last.
    pub(super) async fn others(&self) -> Result<Vec<Replica>, StoreError> {
        let mut replicas = self.registered().await?;
        replicas.retain(|replica| !self.is_this(replica));
        Ok(replicas)
    }

    /// Reads the replicas that have reported. A store without a registry returns an empty list.
    async fn registered(&self) -> Result<Vec<Replica>, StoreError> {
        match self.store.replica_registry() {
            Some(registry) => registry.replicas().await,
            None => Ok(Vec::new()),
        }
    }

    /// Returns whether a replica is this process. The id decides: names may be used twice.
    fn is_this(&self, replica: &Replica) -> bool {
        self.id() == Some(replica.id.as_str())
    }

    /// Returns whether this process has a name and the store has a registry to report it to.
    pub(super) fn can_report(&self) -> bool {
        self.registration().is_some()
    }

    /// Returns the revision that this process serves.
    pub(super) fn revision(&self) -> u64 {
        self.publisher.freshness().revision
    }

    /// Composes the report of this process. Returns `None` if it [does not report](Self::can_report).
    pub(super) fn compose_report(&self) -> Option<Report> {
        let (identity, _) = self.registration()?;
        // The revision comes first: the versions and instances listed then had requests after it was served.
        let freshness = self.publisher.freshness();
        // A service whose split cannot be read has an outdated route: all its versions that serve count as draining, and so
        // do all its instances.
        let draining = self.publisher.handle().draining(|service| freshness.is_broken(service));
        let draining = draining.into_iter().map(|(service, version, url)| {
            let draining = Draining::new(service, version);
            match url {
                Some(url) => draining.with_url(url),
                None => draining,
            }
        });
        Some(identity.report(freshness.revision).with_draining(draining.collect()))
    }

    /// Reports that there is one more replica, which does not serve anything yet.
    pub(super) async fn report_start(&self) {
        let Some((identity, _)) = self.registration() else { return };
        if let Err(error) = self.report(&identity.report(0)).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the start cannot be reported");
        }
    }

    /// Records `report` in the registry, with the figures until now, in place of the previous one of this process.
    ///
    /// The figures are read here: those that follow the report of a revision are of the routes of that revision.
    pub(super) async fn report(&self, report: &Report) -> Result<(), StoreError> {
        let Some((_, registry)) = self.registration() else { return Ok(()) };
        // Relaxed: a second report that starts the process does no harm.
        let starts = !self.has_reported.load(Ordering::Relaxed);
        let figures = self.figures.compose(&self.publisher);
        let report = report.clone().with_start(starts).with_figures(figures);
        registry.report(&report).await?;
        self.has_reported.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Withdraws this process from the registry.
    pub(super) async fn withdraw(&self) -> Result<(), StoreError> {
        match self.registration() {
            Some((identity, registry)) => registry.withdraw(&identity.id).await,
            None => Ok(()),
        }
    }

    /// Returns the identity and the registry, if this process reports.
    fn registration(&self) -> Option<(&Identity, &dyn ReplicaRegistry)> {
        Some((self.identity.as_ref()?, self.store.replica_registry()?))
    }
}
