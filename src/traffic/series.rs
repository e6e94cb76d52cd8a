//! The requests of the last five minutes, sample by sample.

use std::time::Duration;

use tokio::time::Instant;

use super::activity::Activity;
use crate::routing::{VersionId, VersionName};

/// The requests of one version in each period between two samples, earliest first: for a graph.
///
/// See [`RoutingHandle::traffic_series`](crate::RoutingHandle::traffic_series) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionSeries {
    /// The identity of the version.
    pub id: VersionId,
    /// The name of the version.
    pub version: VersionName,
    /// The periods, of two seconds each if the handle is [sampled](crate::RoutingHandle::sample_traffic) on time. The
    /// list is empty before the first request of the service.
    pub samples: Vec<TrafficSample>,
}

/// The requests of one version in the period between two samples. See [`VersionSeries`].
///
/// A rate per second is `requests` over `length`: a sample that came late is longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrafficSample {
    /// The time since the period ended.
    pub age: Duration,
    /// The length of the period.
    pub length: Duration,
    /// How many requests were given to the version.
    pub requests: u64,
    /// How many requests ended with a 5xx response or with an error. Requests that their clients gave up are not among
    /// them.
    pub failed: u64,
}

impl TrafficSample {
    /// Creates the sample of the period from `start` to `end`, as seen at `now`. `activity` is the activity in it, if
    /// there was any.
    pub(super) fn new(now: Instant, start: Instant, end: Instant, activity: Option<&Activity>) -> Self {
        Self {
            age: now.saturating_duration_since(end),
            length: end.saturating_duration_since(start),
            requests: activity.map_or(0, Activity::requests),
            failed: activity.map_or(0, Activity::failed),
        }
    }
}
