//! Applies changes: checks, commits and publishes them.

use std::sync::Arc;

use tokio::sync::Notify;

use super::audit::{Audit, log_applied};
use super::checker::Checker;
use super::deployed::Deployed;
use super::error::DeployError;
use super::loader::Loader;
use super::publisher::Publisher;
use super::recorder;
use crate::routing::{Change, ChangeError, Instances, Registration, ServiceName, VersionName};
use crate::store::{Applied, ChangeRequest, Clearance, RouteStore, StoreError};

/// The most rounds of probes for one change. In each, other writers may have changed which versions have to be probed.
pub(super) const MAX_PROBE_ROUNDS: usize = 8;

/// Applies changes to the store and publishes them.
#[derive(Debug)]
pub(super) struct Applier {
    pub(super) store: Arc<dyn RouteStore>,
    pub(super) checker: Arc<Checker>,
    pub(super) loader: Arc<Loader>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) audit: Arc<Audit>,
    /// Notified when a change may be committed but not published, because its caller was dropped.
    pub(super) unpublished: Arc<Notify>,
}

impl Applier {
    /// Applies a change and records the failure of one that was not applied.
    pub(super) async fn apply(
        &self,
        service: &ServiceName,
        mut request: ChangeRequest,
    ) -> Result<Deployed, DeployError> {
        let outcome = self.commit_with_checks(service, &mut request).await;
        if let Err(error) = &outcome {
            self.audit.record_failure(service, &request, error).await;
        }
        outcome
    }

    /// Registers a version unless the service has one of that name that shares an instance with it.
    pub(super) async fn register_if_absent(
        &self,
        service: &ServiceName,
        registration: Registration,
        actor: String,
    ) -> Result<Applied, DeployError> {
        let mut request = ChangeRequest::new(Change::Register(registration.clone()), actor);
        let outcome = self.register_or_find(service, &registration, &mut request).await;
        if let Err(error) = &outcome {
            self.audit.record_failure(service, &request, error).await;
        }
        outcome
    }

    /// Registers the version, or finds it in the served route: before the attempt, or after another process was faster.
    async fn register_or_find(
        &self,
        service: &ServiceName,
        registration: &Registration,
        request: &mut ChangeRequest,
    ) -> Result<Applied, DeployError> {
        if let Some(found) = self.find_registered(service, registration)? {
            return Ok(found);
        }
        let outcome = self.commit_with_checks(service, request).await.map(|deployed| deployed.applied);
        if !matches!(&outcome, Err(DeployError::Store(StoreError::Refused(ChangeError::DuplicateVersion(_)))))
        {
            return outcome;
        }
        // Another process registered it after the last load.
        self.loader.refresh().await?;
        self.find_registered(service, registration)?.map_or(outcome, Ok)
    }

    /// Returns the served split, as a change that changed nothing, if it has the version, else `None`. Instances may
    /// have been added and removed since it was registered. If none of those in `registration` is left, it is another
    /// deployment: [`DeployError::RegisteredElsewhere`].
    fn find_registered(
        &self,
        service: &ServiceName,
        registration: &Registration,
    ) -> Result<Option<Applied>, DeployError> {
        let Some(route) = self.publisher.handle().route(service.as_str()) else { return Ok(None) };
        let split = route.split();
        let Some(version) = split.version(registration.version.as_str()) else { return Ok(None) };
        if !registration.instances().iter().any(|backend| version.instances.contains(backend)) {
            return Err(DeployError::RegisteredElsewhere {
                version: version.name.clone(),
                registered: version.instances.clone(),
                requested: registration.instances().clone(),
            });
        }
        Ok(Some(Applied::new(split.clone(), split.clone(), self.publisher.revision())))
    }

    /// Commits a change, and probes the versions for which the store asks, until the store accepts it.
    async fn commit_with_checks(
        &self,
        service: &ServiceName,
        request: &mut ChangeRequest,
    ) -> Result<Deployed, DeployError> {
        let mut probes = Vec::new();
        self.fill_in_shares(service, &mut request.change).await?;
        request.salt = request.salt.or_else(|| self.publisher.handle().draw().salt(service));
        self.checker.admit(service, &request.change, self.publisher.handle())?;
        for _ in 0..MAX_PROBE_ROUNDS {
            match self.commit_and_publish(service, request).await {
                Ok(applied) => return Ok(Deployed { applied, probes }),
                Err(StoreError::NotCleared { versions, health_path }) => {
                    for version in versions {
                        let probed = self.checker.require_healthy(service, &version, health_path.as_ref());
                        probes.extend(probed.await?);
                        clear(request, version.name, version.instances);
                    }
                }
                Err(refused) => return Err(refused.into()),
            }
        }
        Err(DeployError::Unsettled)
    }

    /// Looks up the shares of a [`Change::Restore`] that names a generation alone.
    async fn fill_in_shares(&self, service: &ServiceName, change: &mut Change) -> Result<(), DeployError> {
        if let Change::Restore { generation, shares, .. } = change
            && shares.is_empty()
        {
            *change = self.audit.restore_change(service, *generation).await?;
        }
        Ok(())
    }

    /// Commits a change and publishes its split before it returns. If the future is dropped in between, the refresher
    /// publishes the split.
    async fn commit_and_publish(
        &self,
        service: &ServiceName,
        request: &ChangeRequest,
    ) -> Result<Applied, StoreError> {
        if self.publisher.freshness().from_cache {
            // The cache may be ahead of the store. Its routes would then refuse the new split as an earlier one.
            self.loader.refresh().await?;
        }
        let unpublished = NotifyOnDrop::new(&self.unpublished);
        let outcome = self.store.commit(service, request).await;
        recorder::record_store_call("apply", &outcome);
        match &outcome {
            Ok(applied) => {
                // No await before the publication, so a committed change is published even if the caller is dropped now.
                log_applied(request, applied);
                if !self.publisher.publish_applied(applied) {
                    // A later change was published first, or the store went back. The change itself is made.
                    let _ = self.loader.refresh().await;
                }
            }
            Err(StoreError::UnknownService(service)) => self.withdraw_unknown(service).await,
            Err(_) => {}
        }
        unpublished.disarm();
        outcome
    }

    /// Withdraws the route of a service that the store does not have. One that was deleted in the database by hand is in
    /// no load of changes.
    async fn withdraw_unknown(&self, service: &ServiceName) {
        if self.publisher.handle().route(service.as_str()).is_some() {
            self.loader.require_whole_load();
            // If it fails, the refresher repeats it.
            let _ = self.loader.refresh().await;
        }
    }
}

/// Clears a version that passed its probes at these instances. A request that is not checked clears all anyway.
pub(super) fn clear(request: &mut ChangeRequest, version: VersionName, instances: Instances) {
    if let Clearance::Only(cleared) = &mut request.clearance {
        cleared.push((version, instances));
    }
}

/// Notifies when it is dropped, unless it was disarmed: the future around it was dropped half-way.
pub(super) struct NotifyOnDrop<'a> {
    notify: &'a Notify,
    armed: bool,
}

impl<'a> NotifyOnDrop<'a> {
    /// Creates an armed guard, before the work whose end may be missed.
    pub(super) const fn new(notify: &'a Notify) -> Self {
        Self { notify, armed: true }
    }

    /// Ends the guard without a notification: the change was published.
    pub(super) fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for NotifyOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.notify.notify_one();
        }
    }
}
