//! What was counted, for Prometheus.

use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use metrics::{Unit, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::runtime::Handle;
use tokio::time::sleep;
use tower_canary::Deployments;
use tower_canary::metrics::BUCKETS;

use crate::failure::Failure;

/// Beside those of the library.
const TASKS: &str = "canary_gateway_tasks";

/// The recorder of this process. To be called before anything is recorded.
pub(crate) fn install() -> Result<PrometheusHandle, Failure> {
    let recorder = || -> Result<_, BuildError> {
        let durations = Matcher::Full("canary_request_duration_seconds".into());
        PrometheusBuilder::new().set_buckets_for_metric(durations, BUCKETS)?.install_recorder()
    };
    recorder().map_err(|error| Failure::new("cannot record metrics", &error))
}

/// How often what was counted is handed on.
const RECORD_EVERY: Duration = Duration::from_secs(5);

/// Hands on what was counted, for as long as the process runs, whether somebody reads it or not.
pub(crate) async fn record(deployments: Deployments, prometheus: PrometheusHandle) {
    loop {
        sleep(RECORD_EVERY).await;
        deployments.record_metrics();
        prometheus.run_upkeep();
    }
}

/// `/metrics`.
pub(crate) fn route(deployments: Deployments, prometheus: PrometheusHandle, threads: Vec<Handle>) -> Router {
    describe_gauge!(TASKS, Unit::Count, "Tasks of this gateway: about two per connection.");
    Router::new().route(
        "/metrics",
        get(|| async move {
            deployments.record_metrics();
            let tasks: usize = threads.iter().map(|thread| thread.metrics().num_alive_tasks()).sum();
            #[expect(clippy::cast_precision_loss, reason = "a count")]
            gauge!(TASKS).set(tasks as f64);
            ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], prometheus.render())
                .into_response()
        }),
    )
}
