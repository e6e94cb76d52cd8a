//! Metrics for Prometheus.

use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use metrics::{Unit, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::runtime::Handle;
use tokio::time::sleep;
use tower_canary::Deployments;
use tower_canary::metrics::BUCKETS;

use crate::failure::Failure;

/// A metric of this example, next to the metrics of the library.
const TASKS: &str = "canary_gateway_tasks";

/// Interval of the export to the recorder.
const EXPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Installs the recorder of this process. Values recorded before are lost.
pub(crate) fn install() -> Result<PrometheusHandle, Failure> {
    install_recorder().map_err(|error| Failure::new("cannot record metrics", &error))
}

fn install_recorder() -> Result<PrometheusHandle, BuildError> {
    let durations = Matcher::Full("canary_request_duration_seconds".into());
    PrometheusBuilder::new().set_buckets_for_metric(durations, BUCKETS)?.install_recorder()
}

/// Exports the counters to the recorder until the process ends, even if no scraper reads them.
pub(crate) async fn export(deployments: Deployments, prometheus: PrometheusHandle) {
    loop {
        sleep(EXPORT_INTERVAL).await;
        deployments.record_metrics();
        prometheus.run_upkeep();
    }
}

/// Returns the route of `/metrics`. `runtimes` are the runtimes whose tasks are counted.
pub(crate) fn router(
    deployments: Deployments,
    prometheus: PrometheusHandle,
    runtimes: Vec<Handle>,
) -> Router {
    describe_gauge!(TASKS, Unit::Count, "Tasks of this gateway: about two per connection.");
    Router::new().route("/metrics", get(|| async move { page(&deployments, &prometheus, &runtimes) }))
}

fn page(deployments: &Deployments, prometheus: &PrometheusHandle, runtimes: &[Handle]) -> Response {
    deployments.record_metrics();
    let tasks: usize = runtimes.iter().map(|runtime| runtime.metrics().num_alive_tasks()).sum();
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    gauge!(TASKS).set(tasks as f64);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], prometheus.render()).into_response()
}
