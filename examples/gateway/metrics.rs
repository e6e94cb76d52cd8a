//! Metrics for Prometheus.

use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use metrics::{Unit, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;
use tokio::runtime::Handle;
use tokio::time::sleep;
use tower_canary::Deployments;
use tower_canary::metrics::{BUCKETS, RolloutMetrics};
use tower_canary::rollout::Rollouts;

use crate::failure::Failure;
use crate::proxy::Backends;

/// A metric of this example, next to the metrics of the library.
const TASKS: &str = "canary_gateway_tasks";

/// Interval of the export to the recorder while no scraper reads it: well below [`IDLE_TIMEOUT`]. Each read exports as well.
/// Every 5 seconds it would cost as much as the checks of thousands of idle services.
const EXPORT_INTERVAL: Duration = Duration::from_secs(60);

/// A series that was not exported for this time ends.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Installs the recorder of this process. Values recorded before are lost.
pub(crate) fn install() -> Result<PrometheusHandle, Failure> {
    install_recorder().map_err(|error| Failure::new("cannot record metrics", &error))
}

fn install_recorder() -> Result<PrometheusHandle, BuildError> {
    let durations = Matcher::Full("canary_request_duration_seconds".into());
    PrometheusBuilder::new()
        .set_buckets_for_metric(durations, BUCKETS)?
        // Series of removed versions end. Those of the others are exported more often.
        .idle_timeout(MetricKindMask::COUNTER | MetricKindMask::GAUGE, Some(IDLE_TIMEOUT))
        .install_recorder()
}

/// The recorder, and the sources that export to it.
#[derive(Clone, Debug)]
pub(crate) struct Exports {
    deployments: Deployments,
    rollouts: RolloutMetrics,
    prometheus: PrometheusHandle,
}

impl Exports {
    pub(crate) fn new(rollouts: &Rollouts, prometheus: PrometheusHandle) -> Self {
        let deployments = rollouts.deployments().clone();
        Self { deployments, rollouts: RolloutMetrics::new(rollouts.clone()), prometheus }
    }

    fn record(&self) {
        self.deployments.record_metrics();
        self.rollouts.record();
    }
}

/// Exports to the recorder until the process ends, even if no scraper reads it.
pub(crate) async fn export(exports: Exports) {
    loop {
        sleep(EXPORT_INTERVAL).await;
        exports.record();
        exports.prometheus.run_upkeep();
    }
}

/// Returns the route of `/metrics`. `runtimes` are the runtimes whose tasks are counted.
pub(crate) fn router(exports: Exports, runtimes: Vec<Handle>, backends: Backends) -> Router {
    describe_gauge!(TASKS, Unit::Count, "Tasks of this gateway: about two per connection.");
    Router::new().route("/metrics", get(|| async move { page(&exports, &runtimes, &backends) }))
}

fn page(exports: &Exports, runtimes: &[Handle], backends: &Backends) -> Response {
    exports.record();
    backends.publish_metrics();
    let tasks: usize = runtimes.iter().map(|runtime| runtime.metrics().num_alive_tasks()).sum();
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    gauge!(TASKS).set(tasks as f64);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], exports.prometheus.render())
        .into_response()
}
