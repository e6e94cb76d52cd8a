//! Exports the counts since the last export.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use metrics::{
    Label, SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::common::lock::lock;
use crate::deployments::{CHANGES, Deployments, Exporter, Freshness, HEALTHY, STORE_ERRORS};
use crate::handle::RoutingHandle;
use crate::routing::{Reason, Split, Version, VersionId};
use crate::traffic::{Activity, Outcome, ServiceSnapshot, VersionSnapshot};

/// The bucket boundaries of `canary_request_duration_seconds` in seconds, to be set in the recorder. OpenTelemetry
/// advises them for `http.client.request.duration`.
///
/// ```
/// assert!(tower_canary::metrics::BUCKETS.is_sorted());
/// ```
pub const BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

const REQUESTS: &str = "canary_requests_total";
const PICKS: &str = "canary_picks_total";
const DURATION: &str = "canary_request_duration_seconds";
const IN_FLIGHT: &str = "canary_in_flight";
const WEIGHT: &str = "canary_weight";
const NO_BACKEND: &str = "canary_no_backend_total";
const UNKNOWN: &str = "canary_unknown_service_total";
const REVISION: &str = "canary_snapshot_revision";
const AGE: &str = "canary_snapshot_age_seconds";

impl Deployments {
    /// Exports the counts since the last call to the recorder of the `metrics` facade. See [`metrics`](crate::metrics)
    /// for the list of metrics and for a recorder.
    ///
    /// ```
    /// use tower_canary::{Deployments, Draw};
    ///
    /// let deployments = Deployments::in_memory(Draw::Exact);
    /// deployments.record_metrics(); // then render the metrics of the recorder
    /// ```
    pub fn record_metrics(&self) {
        self.export_with(|| Box::<TrafficExporter>::default());
    }
}

/// Exports counters as increments, and so remembers the totals of the last export by version.
#[derive(Debug, Default)]
struct TrafficExporter {
    series: Mutex<HashMap<VersionId, Series>>,
}

/// The metrics of one version.
#[derive(Debug)]
struct Series {
    labels: [Label; 2],
    /// The counters, which also count what a removed version still does.
    counted: VersionSnapshot,
    exported: Activity,
}

impl Exporter for TrafficExporter {
    fn export(&self, handle: &RoutingHandle, freshness: &Freshness) {
        describe();
        #[expect(clippy::cast_precision_loss, reason = "revisions are far below 2^53")]
        gauge!(REVISION).set(freshness.revision as f64);
        gauge!(AGE).set(freshness.age.as_secs_f64());
        counter!(UNKNOWN).absolute(handle.unknown_service_requests());
        self.export_versions(handle);
    }
}

impl TrafficExporter {
    /// Exports each version that the handle still counts, published or removed.
    fn export_versions(&self, handle: &RoutingHandle) {
        let mut series = lock(&self.series);
        let mut served = HashSet::new();
        handle.each_snapshot(|snapshot| {
            export_unserved(&snapshot);
            let split = snapshot.route.split();
            for (version, counted) in split.versions().iter().zip(snapshot.published) {
                served.insert(version.id);
                find(&mut series, split, version).export(version.weight.percent(), counted);
            }
            for (version, counted) in snapshot.retired {
                find(&mut series, split, &version).counted = counted;
            }
        });
        retire(&mut series, &served);
    }
}

/// Exports versions that are not `served` any more, and forgets those that have no requests and whose counters the handle
/// has forgotten. It keeps the counters of a service that left, which continue when the service returns.
fn retire(series: &mut HashMap<VersionId, Series>, served: &HashSet<VersionId>) {
    if series.len() == served.len() {
        return;
    }
    // A removed version whose name was registered again leaves the gauges to its successor.
    let served_labels: HashSet<_> =
        served.iter().filter_map(|id| Some(series.get(id)?.labels.clone())).collect();
    series.retain(|id, series| {
        if served.contains(id) {
            return true;
        }
        series.export_counts();
        let in_flight = series.counted.in_flight();
        if !served_labels.contains(&series.labels) {
            series.export_gauges(0.0, in_flight);
        }
        in_flight > 0 || series.counted.is_shared()
    });
}

/// Exports the requests that found no active version. The count is a total, so nothing has to be remembered.
fn export_unserved(snapshot: &ServiceSnapshot) {
    if snapshot.unserved > 0 {
        let service = snapshot.route.split().service().to_string();
        counter!(NO_BACKEND, "service" => service).absolute(snapshot.unserved);
    }
}

/// Returns the series of `version`, with nothing exported if it is new.
fn find<'a>(series: &'a mut HashMap<VersionId, Series>, split: &Split, version: &Version) -> &'a mut Series {
    series.entry(version.id).or_insert_with(|| Series::new(split, version))
}

impl Series {
    fn new(split: &Split, version: &Version) -> Self {
        let labels = [label("service", split.service().as_str()), label("version", version.name.as_str())];
        Self { labels, counted: VersionSnapshot::default(), exported: Activity::default() }
    }

    /// Exports a published version.
    fn export(&mut self, weight: f64, counted: VersionSnapshot) {
        self.export_gauges(weight, counted.in_flight());
        self.counted = counted;
        self.export_counts();
    }

    /// Exports the counts since the last export. A version that never had a request gets no series.
    fn export_counts(&mut self) {
        self.counted = self.counted.refreshed();
        let total = self.counted.total();
        if total.requests() == 0 {
            return;
        }
        let added = total.since(&self.exported);
        for outcome in Outcome::ALL {
            self.increment(REQUESTS, "outcome", outcome.as_str(), added.outcome(*outcome));
        }
        for reason in Reason::ALL {
            self.increment(PICKS, "reason", reason.as_str(), added.picks(*reason));
        }
        let durations = histogram!(DURATION, self.labels.to_vec());
        for (time, count) in added.latencies.iter() {
            durations.record_many(time, usize::try_from(count).unwrap_or(usize::MAX));
        }
        self.exported = total;
    }

    fn increment(&self, name: &'static str, label: &'static str, value: &'static str, count: u64) {
        let mut labels = self.labels.to_vec();
        labels.push(Label::from_static_parts(label, value));
        counter!(name, labels).increment(count);
    }

    fn export_gauges(&self, weight: f64, in_flight: usize) {
        gauge!(WEIGHT, self.labels.to_vec()).set(weight);
        #[expect(clippy::cast_precision_loss, reason = "requests in flight are far below 2^53")]
        gauge!(IN_FLIGHT, self.labels.to_vec()).set(in_flight as f64);
    }
}

fn label(name: &'static str, value: &str) -> Label {
    Label::new(SharedString::const_str(name), value.to_owned())
}

/// Describes all metrics of the table in the docs of the module. A recorder ignores a repeated description.
fn describe() {
    describe_counter!(REQUESTS, Unit::Count, "Requests that ended, by the status of their response.");
    describe_counter!(PICKS, Unit::Count, "Requests given to a version, by the rule that chose it.");
    describe_histogram!(
        DURATION,
        Unit::Seconds,
        "Time from the choice of the version to the response headers."
    );
    describe_gauge!(IN_FLIGHT, Unit::Count, "Requests in flight, open tunnels included.");
    describe_gauge!(WEIGHT, Unit::Percent, "Share of the service's traffic that the version should get.");
    describe_gauge!(HEALTHY, Unit::Count, "Result of the last probe of the version: 1 healthy, 0 not.");
    describe_counter!(NO_BACKEND, Unit::Count, "Requests that came while the service had no active version.");
    describe_counter!(UNKNOWN, Unit::Count, "Requests for a service that is not registered.");
    describe_gauge!(REVISION, Unit::Count, "Revision of the store that is served.");
    describe_gauge!(AGE, Unit::Seconds, "Time since the revision was known to be the latest.");
    describe_counter!(STORE_ERRORS, Unit::Count, "Calls of the store that failed.");
    describe_counter!(CHANGES, Unit::Count, "Requested changes, by kind and result.");
}
