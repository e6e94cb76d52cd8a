//! The counters of a service at one moment.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::activity::Activity;
use super::copies::CopyTraffic;
use super::counters::Counters;
#[cfg(feature = "rollout")]
use super::figures::{Figures, MirrorFigures};
use super::history::SampleTimes;
use super::series::{TrafficSample, VersionSeries};
use crate::routing::{Route, Version};

/// A service and its counters at one moment.
#[derive(Debug)]
pub(crate) struct ServiceSnapshot {
    pub(crate) route: Arc<Route>,
    /// How many requests found no active version, or were refused since no instance of their version was usable.
    pub(crate) unserved: u64,
    /// One for each version of the split, in its order.
    pub(crate) published: Vec<VersionSnapshot>,
    /// Versions that left the split, and the versions of a withdrawn route. Each is inactive and at weight 0 here,
    /// whatever it was before.
    pub(crate) retired: Vec<(Version, VersionSnapshot)>,
}

/// The counters of one version at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct VersionSnapshot {
    /// `None` before the first request of the service.
    counters: Option<Arc<Counters>>,
    in_flight: usize,
    is_reachable: bool,
}

impl ServiceSnapshot {
    /// Returns the requests of each version in the periods between samples.
    pub(crate) fn series(&self, samples: &SampleTimes) -> Vec<VersionSeries> {
        let now = Instant::now();
        let versions = self.versions().map(|(version, counted)| VersionSeries {
            id: version.id,
            version: version.name.clone(),
            samples: counted.series(now, samples),
        });
        versions.collect()
    }

    /// Returns the versions of the split in its order, then removed ones that still have requests.
    pub(crate) fn versions(&self) -> impl Iterator<Item = (&Version, &VersionSnapshot)> {
        let split = self.route.split();
        let retired = self.retired.iter().map(|(version, counted)| (version, counted));
        let draining = retired.filter(move |(version, counted)| {
            counted.in_flight > 0 && split.version(version.name.as_str()).is_none()
        });
        split.versions().iter().zip(&self.published).chain(draining)
    }
}

impl VersionSnapshot {
    /// Creates the snapshot of a version. Its counters lack `others`: requests that may yet be counted there, and those
    /// of removed versions of the same name.
    pub(crate) fn new(counters: Option<Arc<Counters>>, others: usize) -> Self {
        let in_flight = others + counters.as_ref().map_or(0, |counters| counters.in_flight());
        Self { counters, in_flight, is_reachable: false }
    }

    /// Sets whether the version may get requests.
    pub(crate) fn with_reachable(self, is_reachable: bool) -> Self {
        Self { is_reachable, ..self }
    }

    /// Returns the requests in flight, with readers that have not chosen yet, and those of removed versions of the same
    /// name.
    pub(crate) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Returns whether a request may still choose the version.
    pub(crate) const fn is_reachable(&self) -> bool {
        self.is_reachable
    }

    /// Returns a snapshot of the same counters now, without requests that are not counted yet.
    #[cfg(feature = "metrics")]
    pub(crate) fn refreshed(&self) -> Self {
        Self::new(self.counters.clone(), 0).with_reachable(self.is_reachable)
    }

    /// Returns whether others have the counters too, as the handle has until it forgets them.
    #[cfg(feature = "metrics")]
    pub(crate) fn is_shared(&self) -> bool {
        self.counters.as_ref().is_some_and(|counters| Arc::strong_count(counters) > 1)
    }

    /// Returns all activity until now.
    pub(crate) fn total(&self) -> Activity {
        self.counters.as_ref().map_or_else(Activity::default, |counters| counters.total())
    }

    /// Returns the figures by which the version is judged, until now.
    #[cfg(feature = "rollout")]
    pub(crate) fn figures(&self) -> Figures {
        self.counters.as_ref().map_or_else(Figures::default, |counters| counters.figures())
    }

    /// Returns the figures of the copies that the version got, and of its requests of which another version got copies,
    /// until now.
    #[cfg(feature = "rollout")]
    pub(crate) fn mirror_figures(&self) -> MirrorFigures {
        self.counters.as_ref().map_or_else(MirrorFigures::default, |counters| counters.mirror_figures())
    }

    /// Returns the traffic of the copies that the version got until now.
    pub(crate) fn copies(&self) -> CopyTraffic {
        self.counters.as_ref().map_or_else(CopyTraffic::default, |counters| counters.copies())
    }

    /// Returns how long the version has had no request, as [`History::idle_for`](super::history::History::idle_for)
    /// defines it.
    pub(super) fn idle_for(&self, now: Instant, total: &Activity) -> Option<Duration> {
        self.counters.as_ref()?.idle_for(now, total)
    }

    /// Returns whether the service had a request: its versions then have counters.
    #[cfg(feature = "metrics")]
    pub(crate) const fn is_used(&self) -> bool {
        self.counters.is_some()
    }

    /// Returns the activity from the sample at `start` until now, without latencies.
    pub(super) fn counts_since(&self, start: Instant) -> Activity {
        self.counters.as_ref().map_or_else(Activity::default, |counters| counters.counts_since(start))
    }

    /// Returns the requests of each period between two samples, or nothing before the first request of the service.
    fn series(&self, now: Instant, samples: &SampleTimes) -> Vec<TrafficSample> {
        self.counters.as_ref().map_or_else(Vec::new, |counters| counters.series(now, samples))
    }

    /// Returns the activity from the sample at `start` until `total` was read.
    pub(super) fn since(&self, start: Instant, total: &Activity) -> Activity {
        self.counters.as_ref().map_or_else(Activity::default, |counters| counters.since(start, total))
    }
}
