//! The traffic of a service, for its readers.

use std::time::Duration;

use tokio::time::Instant;

use super::activity::Activity;
use super::copies::CopyTraffic;
use super::history::{SampleTimes, WINDOWS};
use super::share::ObservedShare;
use super::snapshot::{ServiceSnapshot, VersionSnapshot};
use crate::routing::{ServiceName, Version, VersionId, VersionName, Weight};

/// The traffic of the versions of a service. See the [module](super) for an example.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServiceTraffic {
    /// The service.
    pub service: ServiceName,
    /// The generation of the split that requests follow.
    pub generation: u64,
    /// How many requests arrived while the service had no active version, and went to a fallback or got 503, or were
    /// refused with 503 because no instance of their version was usable, under
    /// [`Health::refusing`](crate::health::Health::refusing).
    pub unserved: u64,
    /// The versions in the order of the split, then removed versions while they have requests in flight.
    pub versions: Vec<VersionTraffic>,
}

/// The traffic of one version. See the [module](super) for an example.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VersionTraffic {
    /// The identity of the version.
    pub id: VersionId,
    /// The name of the version.
    pub version: VersionName,
    /// The share of the service's traffic that the version should get.
    pub weight: Weight,
    /// Whether any rule may choose the version, as [`Version::active`](crate::routing::Version::active) says.
    pub active: bool,
    /// Whether the version may get requests: at a weight above 0, and also at 0 while it is active and some layer has a
    /// [pin](crate::layer::PinCookie) or an [override](crate::layer::Override), or it gets copies of requests.
    pub reachable: bool,
    /// How many requests are in flight, as [`RoutingHandle::in_flight`](crate::RoutingHandle::in_flight) counts them.
    pub in_flight: usize,
    /// How long the version has had no request, within the time between two samples. `None` while it has some, before its
    /// first, and until the first [sample](crate::RoutingHandle::sample_traffic) after the last one.
    pub idle_for: Option<Duration>,
    /// All activity since the version was published first.
    pub total: Activity,
    /// The activity of the last 10 seconds, 60 seconds and 5 minutes, in this order.
    pub windows: Vec<Window>,
    /// The copies of requests that the version got. They are in no other figure but [`in_flight`](Self::in_flight) and
    /// [`Activity::picks`].
    pub copies: CopyTraffic,
}

/// The recent activity of a version. See the [module](super) for an example.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Window {
    /// The intended length.
    pub nominal: Duration,
    /// The real length. The window begins at a [sample](crate::RoutingHandle::sample_traffic), so it is longer than
    /// [`nominal`](Self::nominal) by up to the time between two samples. It is shorter until the first sample is old
    /// enough.
    pub length: Duration,
    /// The activity in the window.
    pub activity: Activity,
    /// The version's share of the requests that the service's versions were given in the window, or `None` if they were
    /// given none.
    pub share: Option<ObservedShare>,
}

impl VersionTraffic {
    /// Returns whether the version gets no more requests and its last one has ended, so that its process may be stopped as
    /// far as this gateway is concerned.
    ///
    /// If users are pinned to the version, or an override may choose it, make it inactive first.
    #[must_use]
    pub const fn is_drained(&self) -> bool {
        !self.reachable && self.in_flight == 0
    }

    /// Computes the windows of one version. The shares come later, since they need all versions.
    fn new(version: &Version, counted: &VersionSnapshot, now: Instant, samples: &SampleTimes) -> Self {
        let total = counted.total();
        let windows = WINDOWS.map(|nominal| {
            let start = samples.window_start(now, nominal);
            let activity = counted.since(start, &total);
            Window { nominal, length: now.saturating_duration_since(start), activity, share: None }
        });
        Self {
            id: version.id,
            version: version.name.clone(),
            weight: version.weight,
            active: version.active,
            reachable: counted.is_reachable(),
            in_flight: counted.in_flight(),
            idle_for: counted.idle_for(now, &total),
            windows: windows.into(),
            copies: counted.copies(),
            total,
        }
    }
}

impl Window {
    /// Returns the requests that the version was given per second, or 0 for a window without length.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^53")]
    pub fn per_second(&self) -> f64 {
        let seconds = self.length.as_secs_f64();
        if seconds > 0.0 { self.activity.requests() as f64 / seconds } else { 0.0 }
    }
}

impl ServiceTraffic {
    /// Computes the report, with the share that each version had of the requests in each window.
    pub(crate) fn new(snapshot: &ServiceSnapshot, samples: &SampleTimes) -> Self {
        let now = Instant::now();
        let versions = snapshot.versions();
        let mut versions: Vec<_> =
            versions.map(|(version, counted)| VersionTraffic::new(version, counted, now, samples)).collect();
        for i in 0..WINDOWS.len() {
            let requests = versions.iter().map(|version| version.windows[i].activity.requests()).sum();
            for version in &mut versions {
                let window = &mut version.windows[i];
                window.share = ObservedShare::new(window.activity.requests(), requests);
            }
        }
        let split = snapshot.route.split();
        Self {
            service: split.service().clone(),
            generation: split.generation(),
            unserved: snapshot.unserved,
            versions,
        }
    }
}
