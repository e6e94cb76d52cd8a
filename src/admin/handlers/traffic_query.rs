//! Reads the traffic of a service here, and the reports of the other gateways in the store.
//!
//! A version is drained when three things hold, in this order of reading:
//!
//! 1. No request is in flight here, and none can arrive: [`is_drained`](crate::RoutingHandle::is_drained).
//! 2. The store knows which gateways share it, read within [`STORE_TIMEOUT`].
//! 3. None of them [blocks](OtherReplicas::blockers) the version.
//!
//! A store that does not respond means "not known", and never "drained": the wait continues, and the response
//! has `null`.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use axum::response::sse::Event;
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::admin::problem::ApiError;
use crate::api::{ClusterDrainView, DrainBlockerView, TrafficView};
use crate::deployments::{Deployments, OtherReplicas};
use crate::routing::{ChangeError, ServiceName, VersionName};
use crate::store::StoreError;

/// The time between two events of a stream.
const EVENT_PERIOD: Duration = Duration::from_secs(2);

/// A stream ends after this time. The client then sends another request, which is authenticated again.
const STREAM_LIMIT: Duration = Duration::from_secs(300);

/// The time between two reads of this gateway's own counters.
const LOCAL_POLL: Duration = Duration::from_millis(20);

/// The time between two reads of the store.
const STORE_POLL: Duration = Duration::from_millis(100);

/// The longest time that one read of the store may take.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// The traffic of a service, or of one of its versions.
pub(super) struct TrafficQuery {
    deployments: Deployments,
    service: ServiceName,
    version: Option<VersionName>,
}

/// The other gateways that share the store.
enum ClusterView {
    /// This gateway does not report, so it is not one of several.
    Alone,
    /// The store could not be read.
    Unknown,
    /// The gateways that reported lately.
    Known(OtherReplicas),
}

// === impl TrafficQuery ===

impl TrafficQuery {
    /// Creates a query for all versions, or for `version` alone.
    pub(super) const fn new(
        deployments: Deployments,
        service: ServiceName,
        version: Option<VersionName>,
    ) -> Self {
        Self { deployments, service, version }
    }

    /// Reads the figures once.
    ///
    /// Fails with `unknown-service` or `unknown-version`. A removed version is shown while it has requests
    /// here.
    pub(super) async fn snapshot(&self) -> Result<TrafficView, ApiError> {
        let cluster = self.cluster().await;
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
        // `OtherReplicas::blockers` must be called after the figures of this gateway are read.
        for (view, traffic) in view.versions.iter_mut().zip(&traffic.versions) {
            view.cluster = cluster.drain_view(&traffic.version, view.drained);
        }
        Ok(view)
    }

    /// Waits until the version is drained at all gateways, until it is removed, or until this gateway shuts
    /// down.
    pub(super) async fn drained(&self) {
        tokio::select! {
            () = self.drained_everywhere() => {}
            () = self.deployments.ended() => {}
        }
    }

    /// Polls the local counters often, and reads the store only once the version is drained here.
    async fn drained_everywhere(&self) {
        loop {
            while self.is_used_here() {
                sleep(LOCAL_POLL).await;
            }
            let cluster = self.cluster().await;
            // Checked again: a request may have arrived while the store was read.
            if !self.is_used_here() && !self.is_used_elsewhere(&cluster) {
                return;
            }
            sleep(STORE_POLL).await;
        }
    }

    /// Returns whether this gateway has requests for the version or may get some. A version that is not there
    /// any more is not used.
    fn is_used_here(&self) -> bool {
        let Some(version) = &self.version else { return false };
        let handle = self.deployments.handle();
        handle.is_drained(self.service.as_str(), version.as_str()) == Some(false)
    }

    /// Returns whether another gateway may still use the version. Without the store this must be assumed.
    fn is_used_elsewhere(&self, cluster: &ClusterView) -> bool {
        match (cluster, &self.version) {
            (ClusterView::Known(others), Some(version)) => others.blockers(version).next().is_some(),
            (ClusterView::Unknown, _) => true,
            (ClusterView::Known(_) | ClusterView::Alone, _) => false,
        }
    }

    /// Reads the other gateways from the store. A slow or failing store does not delay the figures of this
    /// gateway.
    async fn cluster(&self) -> ClusterView {
        if self.deployments.replica_id().is_none() {
            return ClusterView::Alone;
        }
        match timeout(STORE_TIMEOUT, self.deployments.other_replicas(&self.service)).await {
            Ok(Ok(others)) => ClusterView::Known(others),
            Ok(Err(_)) | Err(_) => ClusterView::Unknown,
        }
    }

    /// Returns a stream with one event for each period. It ends after [`STREAM_LIMIT`], when the service or
    /// the version is removed, and when this gateway shuts down.
    pub(super) fn into_events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        let deployments = self.deployments.clone();
        let end = Instant::now() + STREAM_LIMIT;
        let events = stream::unfold((self, Instant::now()), |(query, due)| async move {
            sleep_until(due).await;
            let event = Event::default().event("traffic").json_data(query.snapshot().await.ok()?).ok()?;
            // From now, not from `due`: a client that reads slowly misses events instead of getting them
            // late.
            Some((Ok(event), (query, Instant::now() + EVENT_PERIOD)))
        });
        events.take_until(Box::pin(async move {
            tokio::select! {
                () = sleep_until(end) => {}
                () = deployments.ended() => {}
            }
        }))
    }
}

// === impl ClusterView ===

impl ClusterView {
    /// Returns the state of `version` at all gateways. `None`: this gateway is not one of several.
    fn drain_view(&self, version: &VersionName, is_drained_here: bool) -> Option<ClusterDrainView> {
        let elsewhere = match self {
            Self::Alone => return None,
            Self::Unknown => None,
            Self::Known(others) => Some(others.blockers(version).map(DrainBlockerView::from).collect()),
        };
        Some(ClusterDrainView::new(is_drained_here, elsewhere))
    }
}
