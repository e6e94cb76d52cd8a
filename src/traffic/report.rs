//! What is told of a service's traffic.

use std::time::Duration;

use tokio::time::Instant;

use super::activity::Activity;
use super::history::{Ticks, WINDOWS};
use super::seen::{Seen, is_reachable};
use super::share::ObservedShare;
use super::tally::Counted;
use crate::routing::{ServiceName, Version, VersionId, VersionName, Weight};

/// What the versions of a service do. See the [module](super) for an example.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServiceTraffic {
    /// The service.
    pub service: ServiceName,
    /// The generation of the split that requests follow.
    pub generation: u64,
    /// How many requests were for it while it had no active version. They got a fallback, or 503.
    pub unserved: u64,
    /// Its versions, in the order of the split; then those that were removed, for as long as they have requests.
    pub versions: Vec<VersionTraffic>,
}

/// What one version does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VersionTraffic {
    /// The identity of the version.
    pub id: VersionId,
    /// The version.
    pub version: VersionName,
    /// The share of the service's traffic that it should get.
    pub weight: Weight,
    /// Whether it may get any.
    pub active: bool,
    /// Whether any request may be given to it: at a weight above 0, and at 0 while it is active and some layer has a
    /// [pin](crate::layer::PinCookie) or an [override](crate::layer::Override).
    pub reachable: bool,
    /// How many requests it has now, as [`RoutingHandle::in_flight`](crate::RoutingHandle::in_flight) counts them.
    pub in_flight: usize,
    /// How long it has had no request, within the time between two samples. `None` while it has, before its first, and until
    /// the first [sample](crate::RoutingHandle::sample_traffic) after the last one.
    pub idle_for: Option<Duration>,
    /// All that it did since it was published first.
    pub total: Activity,
    /// What it did in the last 10 seconds, 60 seconds and 5 minutes.
    pub windows: Vec<Window>,
}

/// What a version did of late.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Window {
    /// How long the window is meant to be.
    pub nominal: Duration,
    /// How long it is: up to a sample longer, or as long as there were samples, if that is less.
    pub length: Duration,
    /// What was done in it.
    pub activity: Activity,
    /// The version's share of the requests that the service's versions were given in it; `None` where they were given
    /// none.
    pub share: Option<ObservedShare>,
}

impl VersionTraffic {
    /// Whether it gets no more requests, and has none: its process may be stopped, as far as this gateway is concerned.
    /// Where users are pinned to it or testers may ask for it, it must be made inactive first.
    #[must_use]
    pub const fn is_drained(&self) -> bool {
        !self.reachable && self.in_flight == 0
    }
}

impl Window {
    /// Requests per second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub fn per_second(&self) -> f64 {
        let seconds = self.length.as_secs_f64();
        if seconds > 0.0 { self.activity.requests() as f64 / seconds } else { 0.0 }
    }
}

impl ServiceTraffic {
    /// `kept` says whether active versions may get requests at weight 0.
    pub(crate) fn new(seen: &Seen, kept: bool, ticks: &Ticks) -> Self {
        let (now, split) = (Instant::now(), seen.route.split());
        let told = |(version, counted)| VersionTraffic::new(version, counted, kept, (now, ticks));
        let mut versions: Vec<_> = seen.versions().map(told).collect();
        for window in 0..WINDOWS.len() {
            let of = versions.iter().map(|version| version.windows[window].activity.requests()).sum();
            for version in &mut versions {
                let window = &mut version.windows[window];
                window.share = ObservedShare::new(window.activity.requests(), of);
            }
        }
        let (service, unserved) = (split.service().clone(), seen.unserved);
        Self { service, generation: split.generation(), unserved, versions }
    }
}

impl VersionTraffic {
    fn new(version: &Version, counted: &Counted, kept: bool, (now, ticks): (Instant, &Ticks)) -> Self {
        let (in_flight, total) = (counted.in_flight(), counted.total());
        let starts = WINDOWS.map(|nominal| (nominal, ticks.start(now, nominal)));
        let window = |(nominal, start)| {
            let activity = counted.since(start, &total);
            Window { nominal, length: now.duration_since(start), activity, share: None }
        };
        Self {
            id: version.id,
            version: version.name.clone(),
            weight: version.weight,
            active: version.active,
            reachable: is_reachable(version, kept),
            in_flight,
            idle_for: counted.idle_for(now, &total),
            windows: starts.map(window).into(),
            total,
        }
    }
}
