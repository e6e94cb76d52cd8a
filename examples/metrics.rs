//! Metrics of the layer for Prometheus.
//!
//! `cargo run --example metrics`
//!
//! Installs the recorder of `metrics-exporter-prometheus`, sends 100 requests through the layer, exports the counters to the
//! recorder, and prints the page that a `/metrics` route would serve. `examples/grafana` has a dashboard for these metrics.

use std::convert::Infallible;

use http::{Request, Response, StatusCode};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::metrics::BUCKETS;
use tower_canary::routing::Change;
use tower_canary::store::ChangeRequest;
use tower_canary::{Deployments, Draw, ServiceName, Target, WeightedVersionLayer};

type BoxError = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // Install the recorder first: values recorded before are lost. Without buckets it would export summaries.
    let durations = Matcher::Full("canary_request_duration_seconds".into());
    let recorder = PrometheusBuilder::new().set_buckets_for_metric(durations, BUCKETS)?.install_recorder()?;

    let deployments = Deployments::in_memory(Draw::Exact);
    let auth: ServiceName = "auth".parse()?;
    for (version, url) in [("v1.0", "http://stable"), ("v1.1", "http://canary")] {
        let register = Change::register(version.parse()?, url.parse()?);
        deployments.apply(&auth, ChangeRequest::new(register, "metrics")).await?;
    }
    let ten_percent = Change::set_weight("v1.1".parse()?, "10".parse()?);
    deployments.apply(&auth, ChangeRequest::new(ten_percent, "metrics")).await?;

    let layer = WeightedVersionLayer::new(deployments.handle(), Target::service(auth));
    let service = layer.layer(service_fn(broken_canary));
    for _ in 0..100 {
        service.clone().oneshot(Request::get("/login").body(())?).await?;
    }

    // A server does this every few seconds, in a task: each call exports the counts since the previous one.
    deployments.record_metrics();
    recorder.run_upkeep();
    for line in recorder.render().lines().filter(|line| !line.contains("_bucket")) {
        println!("{line}");
    }
    Ok(())
}

/// A client that sends nothing. The canary fails.
async fn broken_canary(request: Request<()>) -> Result<Response<String>, Infallible> {
    let mut response = Response::new(String::new());
    if request.uri().host() == Some("canary") {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    Ok(response)
}
