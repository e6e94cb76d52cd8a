//! Reads the traffic of a service here, and the reports of the other gateways in the store.
//!
//! A version, or an instance, is drained when three things hold, in this order of reading:
//!
//! 1. The store knows which gateways share it, read within a second. This gateway then has followed the changes that the
//!    others report.
//! 2. No request is in flight here, and none can arrive: [`is_drained`](crate::RoutingHandle::is_drained),
//!    [`is_instance_drained`](crate::RoutingHandle::is_instance_drained).
//! 3. None of the other gateways [blocks](crate::deployments::OtherReplicas::blockers) it.
//!
//! A store that does not respond means "not known", and never "drained": the wait continues, and the response
//! has `null`.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use super::cluster_view::ClusterView;
use super::events::EventSource;
use crate::admin::problem::ApiError;
use crate::api::{InstanceTrafficView, SampleView, TrafficView, VersionTrafficView};
use crate::deployments::Deployments;
use crate::handle::VersionInstances;
use crate::routing::{Backend, ChangeError, ServiceName, VersionName};
use crate::store::StoreError;
use crate::traffic::VersionSeries;

/// The time between two reads of this gateway's own counters.
const LOCAL_POLL: Duration = Duration::from_millis(20);

/// The time between two reads of the store.
const STORE_POLL: Duration = Duration::from_millis(100);

/// The traffic of a service, of one of its versions, or of one instance of a version.
pub(super) struct TrafficQuery {
    deployments: Deployments,
    service: ServiceName,
    /// `None`: all versions.
    version: Option<VersionName>,
    /// The instance of `version`. `None`: all of its instances.
    backend: Option<Backend>,
    /// Whether an event with the series was sent.
    has_sent_series: bool,
}

// === impl TrafficQuery ===

impl TrafficQuery {
    /// Creates a query for all versions, or for `version` alone.
    pub(super) const fn new(
        deployments: Deployments,
        service: ServiceName,
        version: Option<VersionName>,
    ) -> Self {
        Self { deployments, service, version, backend: None, has_sent_series: false }
    }

    /// Restricts the query to the instance of the version at `backend`. `None`: no restriction.
    pub(super) fn with_backend(self, backend: Option<Backend>) -> Self {
        Self { backend, ..self }
    }

    /// Returns the deployments, for a stream that outlives the query.
    pub(super) fn deployments(&self) -> Deployments {
        self.deployments.clone()
    }

    /// Reads the figures once.
    ///
    /// Fails with `unknown-service` or `unknown-version`. A removed version is shown while it has requests
    /// here.
    pub(super) async fn snapshot(&self) -> Result<TrafficView, ApiError> {
        let cluster = ClusterView::read(&self.deployments, &self.service).await;
        let mut traffic = self
            .deployments
            .handle()
            .traffic(self.service.as_str())
            .ok_or_else(|| StoreError::UnknownService(self.service.clone()))?;
        if let Some(only) = &self.version {
            traffic.versions.retain(|traffic| traffic.version == *only);
            if traffic.versions.is_empty() {
                return Err(StoreError::Refused(ChangeError::UnknownVersion(only.clone())).into());
            }
        }
        let mut view = TrafficView::new(&traffic, SystemTime::now());
        view.replica = self.deployments.replica_name().map(ToOwned::to_owned);
        let observed = self.deployments.handle().instances(self.service.as_str()).unwrap_or_default();
        // `OtherReplicas::blockers` must be called after the figures of this gateway are read.
        for (view, traffic) in view.versions.iter_mut().zip(&traffic.versions) {
            view.cluster = cluster.drain_view(&traffic.version, None, view.drained);
            let observed = observed.iter().find(|observed| observed.id == traffic.id);
            self.add_instances(view, &traffic.version, observed, &cluster);
        }
        Ok(view)
    }

    /// Adds the instances of a version, or the one that the query asks for.
    fn add_instances(
        &self,
        view: &mut VersionTrafficView,
        version: &VersionName,
        observed: Option<&VersionInstances>,
        cluster: &ClusterView,
    ) {
        view.diverted = observed.map_or(0, |observed| observed.diverted);
        let listed = observed.into_iter().flat_map(|observed| &observed.instances);
        let mut instances: Vec<(Backend, InstanceTrafficView)> = listed
            .filter(|status| self.backend.as_ref().is_none_or(|only| *only == status.backend))
            .map(|status| {
                let is_drained = self.is_instance_drained(version, &status.backend);
                (status.backend.clone(), InstanceTrafficView::new(status, is_drained))
            })
            .collect();
        if let Some(only) = self.backend.as_ref().filter(|_| instances.is_empty()) {
            let mut unlisted = InstanceTrafficView::unused(only);
            unlisted.drained = self.is_instance_drained(version, only);
            instances.push((only.clone(), unlisted));
        }
        for (backend, instance) in &mut instances {
            instance.cluster = cluster.drain_view(version, Some(backend), instance.drained);
        }
        view.instances = instances.into_iter().map(|(_, instance)| instance).collect();
    }

    /// Returns whether this gateway has no requests for the instance and gets none. An instance that is not there is
    /// drained.
    fn is_instance_drained(&self, version: &VersionName, backend: &Backend) -> bool {
        let handle = self.deployments.handle();
        handle.is_instance_drained(self.service.as_str(), version.as_str(), backend)
    }

    /// Adds the requests of the last five minutes, for a graph of a client that has just connected.
    fn add_series(&self, view: &mut TrafficView) {
        let at = view.at.system_time();
        let series = self.deployments.handle().traffic_series(self.service.as_str()).unwrap_or_default();
        for VersionSeries { version, samples, .. } in series {
            let shown = view.versions.iter_mut().find(|shown| shown.version == version.as_str());
            if let Some(shown) = shown {
                shown.series = Some(samples.iter().map(|sample| SampleView::new(sample, at)).collect());
            }
        }
    }

    /// Waits until the version or instance is drained at all gateways, or until this gateway shuts down. Returns at once for a
    /// query of all versions.
    pub(super) async fn wait_drained(&self) {
        let Some(version) = &self.version else { return };
        tokio::select! {
            () = self.wait_drained_everywhere(version) => {}
            () = self.deployments.ended() => {}
        }
    }

    /// Waits until the version or instance is drained at all gateways. Polls the local counters often, and reads the store
    /// only while the version or instance is drained here. While the store fails, the wait continues.
    async fn wait_drained_everywhere(&self, version: &VersionName) {
        loop {
            while self.is_used_here(version) {
                sleep(LOCAL_POLL).await;
            }
            let cluster = ClusterView::read(&self.deployments, &self.service).await;
            // Checked again: a request may have arrived while the store was read.
            if !self.is_used_here(version) && !cluster.is_used_elsewhere(version, self.backend.as_ref()) {
                return;
            }
            sleep(STORE_POLL).await;
        }
    }

    /// Returns whether this gateway has requests for the version or instance, or may get some. One that is not there any
    /// more is not used.
    fn is_used_here(&self, version: &VersionName) -> bool {
        match &self.backend {
            Some(backend) => !self.is_instance_drained(version, backend),
            None => !self.deployments.handle().is_drained(self.service.as_str(), version.as_str()),
        }
    }
}

/// The stream ends once the service or the version is removed and has no requests here.
impl EventSource for TrafficQuery {
    const NAME: &'static str = "traffic";

    type Data = TrafficView;

    async fn next(&mut self) -> Option<TrafficView> {
        let mut view = self.snapshot().await.ok()?;
        if !self.has_sent_series {
            self.has_sent_series = true;
            self.add_series(&mut view);
        }
        Some(view)
    }
}
