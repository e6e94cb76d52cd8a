//! What is measured, for the [`metrics`](https://docs.rs/metrics) facade: whatever recorder the host installs gets it.
//!
//! | metric | kind | labels | says |
//! | --- | --- | --- | --- |
//! | `canary_requests_total` | counter | `service`, `version`, `outcome` | requests that ended; `outcome` is an [`Outcome`] |
//! | `canary_picks_total` | counter | `service`, `version`, `reason` | requests given to the version; `reason` is a [`Reason`] |
//! | `canary_request_duration_seconds` | histogram | `service`, `version` | time to the head of the answer, within 3.2 % |
//! | `canary_in_flight` | gauge | `service`, `version` | requests in flight, open tunnels included |
//! | `canary_weight` | gauge | `service`, `version` | weight in percent; 0 for a version that was removed |
//! | `canary_backend_healthy` | gauge | `service`, `version` | what the last probe saw: 1 or 0 |
//! | `canary_no_backend_total` | counter | `service` | requests that came while no version was active |
//! | `canary_unknown_service_total` | counter | | requests for a service that nobody knows |
//! | `canary_snapshot_revision` | gauge | | the store's revision that is served |
//! | `canary_snapshot_age_seconds` | gauge | | how long ago that was known to be the latest |
//! | `canary_store_errors_total` | counter | `op` | calls of the store that failed |
//! | `canary_admin_changes_total` | counter | `action`, `result` | changes asked for, by kind and by what came of them: `applied`, `refused`, or `failed` for want of the store |
//!
//! Every label comes of the store or of this crate, none of a request: whatever paths and hosts are asked for, there are
//! as many series as versions that ever had a request. Those of removed versions stay, at weight 0, until the recorder
//! forgets them: give it an idle timeout where versions come and go for years. A request costs nothing more:
//! [`traffic`](crate::traffic) counts it, and [`Deployments::record_metrics`] hands on what was added. It is to be called
//! every few seconds, since each latency is handed on singly: what came in an hour would come at once. What failed, was
//! changed or was probed is counted as it happens. The recorder must be installed by way of `metrics` 0.24:
//!
//! ```
//! use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
//! use tower_canary::deployments::meter::BUCKETS;
//! # use tower_canary::{Deployments, Draw};
//!
//! # let deployments = Deployments::in_memory(Draw::Exact);
//! let durations = Matcher::Full("canary_request_duration_seconds".into());
//! let recorder = PrometheusBuilder::new().set_buckets_for_metric(durations, BUCKETS)?.install_recorder()?;
//! // Every five seconds, in a task of the host's:
//! deployments.record_metrics();
//! recorder.run_upkeep();
//! // And for whoever asks for /metrics:
//! assert!(recorder.render().contains("canary_snapshot_revision"));
//! # Ok::<(), metrics_exporter_prometheus::BuildError>(())
//! ```
//!
//! In the terms of OpenTelemetry `canary_request_duration_seconds` is `http.client.request.duration`, up to the head of
//! the answer; [`BUCKETS`] are its advised boundaries.

use std::collections::HashMap;
use std::sync::Mutex;

use metrics::{Label, SharedString, Unit, counter, gauge, histogram};

use super::Deployments;
use crate::common::lock::lock;
use crate::routing::{Reason, ServiceName, Split, Version, VersionId};
use crate::store::StoreError;
use crate::traffic::{Activity, Counted, Outcome, Seen};

/// The boundaries of `canary_request_duration_seconds`, in seconds, to be given to the recorder: those that
/// OpenTelemetry advises for `http.client.request.duration`.
///
/// ```
/// assert!(tower_canary::deployments::meter::BUCKETS.is_sorted());
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
const STORE_ERRORS: &str = "canary_store_errors_total";
const CHANGES: &str = "canary_admin_changes_total";

/// What was handed on so far.
#[derive(Debug, Default)]
pub(super) struct Meter {
    handed: Mutex<HashMap<VersionId, Handed>>,
}

/// What was handed on of one version.
#[derive(Debug)]
struct Handed {
    labels: [Label; 2],
    /// What is counted of it, also once it was removed.
    counted: Counted,
    activity: Activity,
    is_served: bool,
    /// Removed, and still told of.
    is_known: bool,
}

impl Deployments {
    /// Hands what was counted since the last time to the recorder of the `metrics` facade. See [`meter`](self).
    ///
    /// ```
    /// use tower_canary::{Deployments, Draw};
    ///
    /// let deployments = Deployments::in_memory(Draw::Exact);
    /// deployments.record_metrics(); // then render what the recorder has
    /// ```
    pub fn record_metrics(&self) {
        describe();
        let freshness = self.freshness();
        #[expect(clippy::cast_precision_loss, reason = "revisions are far below 2^53")]
        gauge!(REVISION).set(freshness.revision as f64);
        gauge!(AGE).set(freshness.age.as_secs_f64());
        counter!(UNKNOWN).absolute(self.handle().unknown_service_requests());
        self.shared.meter.hand_on(self);
    }
}

impl Meter {
    fn hand_on(&self, deployments: &Deployments) {
        let mut handed = lock(&self.handed);
        for version in handed.values_mut() {
            (version.is_served, version.is_known) = (false, false);
        }
        deployments.handle().each_seen(|Seen { route, unserved, counted, removed }| {
            let split = route.split();
            if unserved > 0 {
                counter!(NO_BACKEND, "service" => split.service().to_string()).absolute(unserved);
            }
            for (version, counted) in split.versions().iter().zip(&counted) {
                let new = || Handed::new(split, version);
                handed.entry(version.id).or_insert_with(new).hand_on(version, counted);
            }
            for (version, counted) in removed {
                let version = handed.entry(version.id).or_insert_with(|| Handed::new(split, &version));
                (version.is_known, version.counted) = (true, counted);
            }
        });
        let removed: Vec<_> = handed.extract_if(|_, version| !version.is_served).collect();
        for (id, mut version) in removed {
            version.add_counts();
            let is_back = handed.values().any(|other| other.labels == version.labels);
            if !is_back {
                version.gauges(0.0, version.counted.in_flight());
            }
            if version.counted.in_flight() > 0 || version.is_known {
                handed.insert(id, version);
            }
        }
    }
}

impl Handed {
    fn new(split: &Split, version: &Version) -> Self {
        let labels = labels(split.service().as_str(), version.name.as_str());
        let (counted, activity) = (Counted::default(), Activity::default());
        Self { labels, counted, activity, is_served: false, is_known: false }
    }

    fn hand_on(&mut self, version: &Version, counted: &Counted) {
        (self.is_served, self.counted) = (true, counted.clone());
        self.gauges(version.weight.percent(), counted.in_flight());
        self.add_counts();
    }

    /// Of versions without a request there are many, and they need no series of their own.
    fn add_counts(&mut self) {
        self.counted = self.counted.now();
        let total = self.counted.total();
        if total.requests() == 0 {
            return;
        }
        let added = total.since(&self.activity);
        for outcome in Outcome::ALL {
            self.add(REQUESTS, ("outcome", outcome.as_str()), added.outcome(*outcome));
        }
        for reason in Reason::ALL {
            self.add(PICKS, ("reason", reason.as_str()), added.picks(*reason));
        }
        let durations = histogram!(DURATION, self.labels.to_vec());
        for (time, count) in added.latencies.iter() {
            durations.record_many(time, usize::try_from(count).unwrap_or(usize::MAX));
        }
        self.activity = total;
    }

    fn add(&self, name: &'static str, (label, value): (&'static str, &'static str), count: u64) {
        let mut labels = self.labels.to_vec();
        labels.push(Label::from_static_parts(label, value));
        counter!(name, labels).increment(count);
    }

    fn gauges(&self, weight: f64, in_flight: usize) {
        gauge!(WEIGHT, self.labels.to_vec()).set(weight);
        #[expect(clippy::cast_precision_loss, reason = "requests in flight are far below 2^53")]
        gauge!(IN_FLIGHT, self.labels.to_vec()).set(in_flight as f64);
    }
}

fn labels(service: &str, version: &str) -> [Label; 2] {
    let label = |name, value: &str| Label::new(SharedString::const_str(name), value.to_owned());
    [label("service", service), label("version", version)]
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};

    describe_counter!(REQUESTS, Unit::Count, "Requests that ended, by the status of their answer.");
    describe_counter!(PICKS, Unit::Count, "Requests given to a version, by the rule that chose it.");
    describe_histogram!(
        DURATION,
        Unit::Seconds,
        "Time from the choice of the version to the head of its answer."
    );
    describe_gauge!(IN_FLIGHT, Unit::Count, "Requests in flight, open tunnels included.");
    describe_gauge!(
        WEIGHT,
        Unit::Percent,
        "VersionShare of the service's traffic that the version should get, in percent."
    );
    describe_gauge!(HEALTHY, Unit::Count, "What the last probe of the version saw: 1 healthy, 0 not.");
    describe_counter!(NO_BACKEND, Unit::Count, "Requests that came while the service had no active version.");
    describe_counter!(UNKNOWN, Unit::Count, "Requests for a service that is not registered.");
    describe_gauge!(REVISION, Unit::Count, "Revision of the store that is served.");
    describe_gauge!(AGE, Unit::Seconds, "How long ago the revision was known to be the latest.");
    describe_counter!(STORE_ERRORS, Unit::Count, "Calls of the store that failed.");
    describe_counter!(CHANGES, Unit::Count, "Changes that were asked for, by kind and by what came of them.");
}

/// Counts what came of a change.
pub(super) fn changed(action: &'static str, result: &'static str) {
    counter!(CHANGES, "action" => action, "result" => result).increment(1);
}

/// Notes what a probe saw.
pub(super) fn probed(service: &ServiceName, version: &Version, healthy: bool) {
    let labels = labels(service.as_str(), version.name.as_str());
    gauge!(HEALTHY, labels.to_vec()).set(if healthy { 1.0 } else { 0.0 });
}

/// Counts a call of the store that failed. That a rule refuses a change is no failure.
pub(super) fn called<T>(op: &'static str, result: &Result<T, StoreError>) {
    if let Err(StoreError::Unavailable(_) | StoreError::Broken(_)) = result {
        counter!(STORE_ERRORS, "op" => op).increment(1);
    }
}
