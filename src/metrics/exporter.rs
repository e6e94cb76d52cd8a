//! Exports the counts since the last export.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use metrics::{Label, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::copies;
use super::instances::{self, InstanceSeries};
use super::labels::label;
use crate::common::lock::lock;
use crate::deployments::{
    CHANGES, Deployments, Exporter, Freshness, ProbeResult, STORE_ERRORS, STORE_OPERATIONS,
};
use crate::handle::{RoutingHandle, VersionInstances};
use crate::routing::{Backend, Reason, ServiceName, Split, Version, VersionId, VersionName};
use crate::traffic::{Activity, CopyTraffic, Outcome, ServiceSnapshot, VersionSnapshot};

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
const HEALTHY: &str = "canary_backend_healthy";
const NO_BACKEND: &str = "canary_no_backend_total";
const UNKNOWN: &str = "canary_unknown_service_total";
const REVISION: &str = "canary_snapshot_revision";
const AGE: &str = "canary_snapshot_age_seconds";

/// The kinds of change, as [`Change::kind`](crate::routing::Change::kind) names them.
///
/// Each has its series from the first export on. A kind that is missing here would begin with its first change, which
/// `increase` in PromQL does not count.
const ACTIONS: [&str; 16] = [
    "activate",
    "add-urls",
    "deactivate",
    "redraw",
    "register",
    "remove",
    "remove-service",
    "remove-urls",
    "restore",
    "set-health-path",
    "set-mirror",
    "set-urls",
    "set-weight",
    "set-weights",
    "switch",
    "update",
];

/// The results of a requested change.
const RESULTS: [&str; 3] = ["applied", "failed", "refused"];

/// The results of probes by service and version.
type Probes = HashMap<(ServiceName, VersionName), ProbeResult>;

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
    /// The totals of the last export.
    exported: Activity,
    /// The totals of copies at the last export.
    exported_copies: CopyTraffic,
    /// Whether the version gets copies of requests, so that their series begin at 0.
    is_mirrored: bool,
    /// Whether an instance is usable. Of a version that is not observed, the result of the last probe.
    healthy: Option<bool>,
    instances: InstanceSeries,
}

/// Which series of a removed version go on, since another version was registered under its name.
struct Successor {
    /// Whether the health of the other version is exported.
    has_health: bool,
    /// The base URLs of its instances with series.
    urls: HashSet<Backend>,
}

impl Exporter for TrafficExporter {
    fn export(&self, handle: &RoutingHandle, freshness: &Freshness, mut probes: Probes) {
        describe();
        export_zeros();
        #[expect(clippy::cast_precision_loss, reason = "revisions are far below 2^53")]
        gauge!(REVISION).set(freshness.revision as f64);
        gauge!(AGE).set(freshness.age.as_secs_f64());
        counter!(UNKNOWN).absolute(handle.unknown_service_requests());
        self.export_versions(handle, &mut probes);
    }
}

impl TrafficExporter {
    /// Exports each version that the handle still counts, published or removed. Results of `probes` of other versions are
    /// dropped: such a version was removed while it was probed, or was not registered.
    fn export_versions(&self, handle: &RoutingHandle, probes: &mut Probes) {
        let mut series = lock(&self.series);
        let mut served = HashSet::new();
        handle.each_snapshot(|snapshot| {
            let split = snapshot.route.split();
            let begin_at_zero = counters_begin_at_zero(&snapshot);
            export_unserved(&snapshot, begin_at_zero);
            let observed = handle.instances(split.service().as_str()).unwrap_or_default();
            for (version, counted) in split.versions().iter().zip(snapshot.published) {
                served.insert(version.id);
                let series = series_of(&mut series, split, version);
                series.healthy = probe_result(probes, split, version).or(series.healthy);
                if let Some(observed) = observed.iter().find(|observed| observed.id == version.id) {
                    series.export_instances(observed);
                }
                series.is_mirrored = split.mirror().is_some_and(|mirror| mirror.version == version.name);
                series.export(version.weight.percent(), counted, begin_at_zero && version.active);
            }
            for (version, counted) in snapshot.retired {
                series_of(&mut series, split, &version).counted = counted;
            }
        });
        retire(&mut series, &served);
    }
}

/// Returns whether the counters of a service and of its active versions are exported at 0 before they count: the
/// service has several versions, no active one, or had a request.
///
/// Prometheus sees no increase of a counter that begins with another value, so the first failures of a canary would be
/// invisible. Of thousands of services with one version that nobody uses, the series would be many and say nothing.
fn counters_begin_at_zero(snapshot: &ServiceSnapshot) -> bool {
    let versions = snapshot.route.split().versions();
    versions.len() > 1
        || !versions.iter().any(|version| version.active)
        || snapshot.published.iter().any(VersionSnapshot::is_used)
}

/// Takes the result of the last probe of `version`, unless the probe was of other URLs.
fn probe_result(probes: &mut Probes, split: &Split, version: &Version) -> Option<bool> {
    if probes.is_empty() {
        return None;
    }
    let probe = probes.remove(&(split.service().clone(), version.name.clone()))?;
    (probe.instances == version.instances).then_some(probe.healthy)
}

/// Exports versions that are not `served` any more, and forgets those that have no requests and whose counters the handle
/// has forgotten. It keeps the counters of a service that left, which continue when the service returns.
fn retire(series: &mut HashMap<VersionId, Series>, served: &HashSet<VersionId>) {
    if series.len() == served.len() {
        return;
    }
    // A removed version whose name was registered again leaves the gauges to its successor. One that was not probed yet
    // has no health.
    let successors: HashMap<_, _> = served
        .iter()
        .filter_map(|id| series.get(id))
        .map(|series| (series.labels.clone(), series.successor()))
        .collect();
    series.retain(|id, series| {
        if served.contains(id) {
            return true;
        }
        series.export_counts(false);
        let in_flight = series.counted.in_flight();
        let successor = successors.get(&series.labels);
        if successor.is_none() {
            series.export_gauges(0.0, in_flight);
        }
        if !successor.is_some_and(|successor| successor.has_health) {
            series.end_health();
        }
        series.instances.end(&series.labels, successor.map(|successor| &successor.urls));
        in_flight > 0 || series.counted.is_shared()
    });
}

/// Exports the requests that found no active version or no usable instance, or 0 with `begin_at_zero`. The count is a
/// total, so nothing has to be remembered.
fn export_unserved(snapshot: &ServiceSnapshot, begin_at_zero: bool) {
    if begin_at_zero || snapshot.unserved > 0 {
        let service = snapshot.route.split().service().to_string();
        counter!(NO_BACKEND, "service" => service).absolute(snapshot.unserved);
    }
}

/// Returns the series of `version`. Creates them, with nothing exported, for a new version.
fn series_of<'a>(
    series: &'a mut HashMap<VersionId, Series>,
    split: &Split,
    version: &Version,
) -> &'a mut Series {
    series.entry(version.id).or_insert_with(|| Series::new(split, version))
}

impl Series {
    /// Creates the series of a version of which nothing was exported.
    fn new(split: &Split, version: &Version) -> Self {
        let labels = [label("service", split.service().as_str()), label("version", version.name.as_str())];
        Self {
            labels,
            counted: VersionSnapshot::default(),
            exported: Activity::default(),
            exported_copies: CopyTraffic::default(),
            is_mirrored: false,
            healthy: None,
            instances: InstanceSeries::default(),
        }
    }

    /// Exports the instances of a published version. If they are observed, they decide about its health.
    fn export_instances(&mut self, version: &VersionInstances) {
        if version.observed {
            self.healthy = Some(!version.none_usable);
        }
        self.instances.export(&self.labels, version);
    }

    /// Returns which series go on that an earlier version of this name has.
    fn successor(&self) -> Successor {
        Successor { has_health: self.healthy.is_some(), urls: self.instances.urls() }
    }

    /// Exports a published version. With `begin_at_zero`, its counters have series before its first request.
    fn export(&mut self, weight: f64, counted: VersionSnapshot, begin_at_zero: bool) {
        self.export_gauges(weight, counted.in_flight());
        if let Some(healthy) = self.healthy {
            gauge!(HEALTHY, self.labels.to_vec()).set(if healthy { 1.0 } else { 0.0 });
        }
        self.counted = counted;
        self.export_counts(begin_at_zero);
    }

    /// Ends the health of a removed version. The facade cannot remove a series, and 0 or 1 would be the health of a version
    /// that does not exist. NaN is neither, so an alert ends.
    fn end_health(&self) {
        if self.healthy.is_some() {
            gauge!(HEALTHY, self.labels.to_vec()).set(f64::NAN);
        }
    }

    /// Exports the counts since the last export. A version that never had a request gets series only with
    /// `begin_at_zero`.
    fn export_counts(&mut self, begin_at_zero: bool) {
        self.counted = self.counted.refreshed();
        self.export_copies();
        let total = self.counted.total();
        if total.requests() == 0 && !begin_at_zero {
            return;
        }
        let added = total.since(&self.exported);
        for outcome in Outcome::ALL {
            self.increment(REQUESTS, "outcome", outcome.as_str(), added.outcome(*outcome));
        }
        // Shares are computed from these series, so copies have their own.
        for reason in Reason::ALL.iter().filter(|reason| **reason != Reason::Mirror) {
            self.increment(PICKS, "reason", reason.as_str(), added.picks(*reason));
        }
        let durations = histogram!(DURATION, self.labels.to_vec());
        for (time, count) in added.latencies.iter() {
            durations.record_many(time, usize::try_from(count).unwrap_or(usize::MAX));
        }
        self.exported = total;
    }

    /// Exports the copies since the last export. A version that neither gets nor got one has no series of them.
    fn export_copies(&mut self) {
        let copies = self.counted.copies();
        if self.is_mirrored || !copies.is_empty() {
            copies::export(&self.labels, &copies.since(&self.exported_copies));
            self.exported_copies = copies;
        }
    }

    /// Increments a counter of the version with one more label.
    fn increment(&self, name: &'static str, label: &'static str, value: &'static str, count: u64) {
        let mut labels = self.labels.to_vec();
        labels.push(Label::from_static_parts(label, value));
        counter!(name, labels).increment(count);
    }

    /// Sets the gauges of the version. After its removal the weight is 0.
    fn export_gauges(&self, weight: f64, in_flight: usize) {
        gauge!(WEIGHT, self.labels.to_vec()).set(weight);
        #[expect(clippy::cast_precision_loss, reason = "requests in flight are far below 2^53")]
        gauge!(IN_FLIGHT, self.labels.to_vec()).set(in_flight as f64);
    }
}

/// Registers the counters of the gateway itself at 0, so that the first failure is an increase.
fn export_zeros() {
    for op in STORE_OPERATIONS {
        counter!(STORE_ERRORS, "op" => *op).increment(0);
    }
    for action in ACTIONS {
        for result in RESULTS {
            counter!(CHANGES, "action" => action, "result" => result).increment(0);
        }
    }
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
    describe_gauge!(
        HEALTHY,
        Unit::Count,
        "Whether an instance is usable, or the last probe found one healthy."
    );
    describe_counter!(
        NO_BACKEND,
        Unit::Count,
        "Requests that found no active version, or were refused without a usable instance."
    );
    describe_counter!(UNKNOWN, Unit::Count, "Requests for a service that is not registered.");
    describe_gauge!(REVISION, Unit::Count, "Revision of the store that is served.");
    describe_gauge!(AGE, Unit::Seconds, "Time since the revision was known to be the latest.");
    describe_counter!(STORE_ERRORS, Unit::Count, "Calls of the store that failed.");
    describe_counter!(CHANGES, Unit::Count, "Requested changes, by kind and result.");
    copies::describe();
    instances::describe();
}
