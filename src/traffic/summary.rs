//! The traffic of many services, in a few figures each.

use std::time::Duration;

use tokio::time::Instant;

use super::activity::Activity;
use super::history::{SampleTimes, WINDOWS};
use super::snapshot::ServiceSnapshot;
use crate::routing::ServiceName;

/// The traffic of one service in the last 10 seconds, without latencies and without its versions.
///
/// See [`RoutingHandle::traffic_summaries`](crate::RoutingHandle::traffic_summaries) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceSummary {
    /// The service.
    pub service: ServiceName,
    /// The generation of the split that requests follow.
    pub generation: u64,
    /// The real length of the window. It begins at a [sample](crate::RoutingHandle::sample_traffic), so it is longer
    /// than 10 seconds by up to the time between two samples. It is shorter until the first sample is 10 seconds old.
    pub length: Duration,
    /// How many requests were given to a version.
    pub requests: u64,
    /// How many requests ended.
    pub ended: u64,
    /// How many of them ended with a 5xx response or with an error. Requests that their clients gave up are not among
    /// them.
    pub failed: u64,
    /// How many requests are in flight, open tunnels and copies included.
    pub in_flight: usize,
}

impl ServiceSummary {
    /// Sums up the versions of `snapshot`, removed ones with requests in flight included.
    pub(crate) fn new(snapshot: &ServiceSnapshot, samples: &SampleTimes) -> Self {
        let now = Instant::now();
        let start = samples.window_start(now, WINDOWS[0]);
        let mut recent = Activity::default();
        let mut in_flight = 0;
        for (_, version) in snapshot.versions() {
            recent.add_counts(&version.counts_since(start));
            in_flight += version.in_flight();
        }
        let split = snapshot.route.split();
        Self {
            service: split.service().clone(),
            generation: split.generation(),
            length: now.saturating_duration_since(start),
            requests: recent.requests(),
            ended: recent.ended(),
            failed: recent.failed(),
            in_flight,
        }
    }

    /// Returns the requests per second, or 0 for a window without length.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^53")]
    pub fn per_second(&self) -> f64 {
        let seconds = self.length.as_secs_f64();
        if seconds > 0.0 { self.requests as f64 / seconds } else { 0.0 }
    }

    /// Returns whether the service had requests in the window or has some in flight.
    pub(crate) const fn is_busy(&self) -> bool {
        self.requests > 0 || self.ended > 0 || self.in_flight > 0
    }
}
