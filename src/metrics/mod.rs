//! Exports metrics by the [`metrics`](https://docs.rs/metrics) facade to the recorder that the application installs.
//!
//! | metric | kind | labels | meaning |
//! | --- | --- | --- | --- |
//! | `canary_requests_total` | counter | `service`, `version`, `outcome` | requests that ended; `outcome` is an [`Outcome`](crate::traffic::Outcome) |
//! | `canary_picks_total` | counter | `service`, `version`, `reason` | requests given to the version; `reason` is a [`Reason`](crate::routing::Reason) |
//! | `canary_request_duration_seconds` | histogram | `service`, `version` | time until the response headers arrived, within 3.2 % |
//! | `canary_in_flight` | gauge | `service`, `version` | requests in flight, open tunnels included |
//! | `canary_weight` | gauge | `service`, `version` | weight in percent; 0 for a version that was removed |
//! | `canary_backend_healthy` | gauge | `service`, `version` | result of the last probe: 1 or 0 |
//! | `canary_no_backend_total` | counter | `service` | requests that came while no version was active |
//! | `canary_unknown_service_total` | counter | | requests for a service that is not registered |
//! | `canary_snapshot_revision` | gauge | | revision of the store that is served |
//! | `canary_snapshot_age_seconds` | gauge | | time since that revision was known to be the latest |
//! | `canary_store_errors_total` | counter | `op` | calls of the store that failed |
//! | `canary_admin_changes_total` | counter | `action`, `result` | requested changes by kind and result: `applied`, `refused`, or `failed` when the store could not be used |
//!
//! # When they are recorded
//!
//! Failures of the store, changes and probes are recorded when they happen. All others are exported by
//! [`Deployments::record_metrics`](crate::Deployments::record_metrics), so a request costs nothing more than what
//! [`traffic`](crate::traffic) counts anyway. Call it every few seconds: each latency is exported singly, so an hour's
//! worth of them would be exported in one burst.
//!
//! # Cardinality
//!
//! Every label value comes from the store or from this crate, and none from a request. Whichever paths and hosts clients
//! ask for, there are as many series as versions that ever had a request. The series of a removed version stay, at
//! weight 0, until the recorder forgets them: set an idle timeout in the recorder if versions come and go for years.
//!
//! # Installing a recorder
//!
//! The recorder must be installed by `metrics` 0.24:
//!
//! ```
//! use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
//! use tower_canary::metrics::BUCKETS;
//! # use tower_canary::{Deployments, Draw};
//!
//! # let deployments = Deployments::in_memory(Draw::Exact);
//! let durations = Matcher::Full("canary_request_duration_seconds".into());
//! let recorder = PrometheusBuilder::new().set_buckets_for_metric(durations, BUCKETS)?.install_recorder()?;
//! // Every five seconds, in a task of the application:
//! deployments.record_metrics();
//! recorder.run_upkeep();
//! // In the handler of /metrics:
//! assert!(recorder.render().contains("canary_snapshot_revision"));
//! # Ok::<(), metrics_exporter_prometheus::BuildError>(())
//! ```
//!
//! In the terms of OpenTelemetry, `canary_request_duration_seconds` is `http.client.request.duration` up to the response
//! headers. [`BUCKETS`] are its advised boundaries.

mod exporter;

pub use self::exporter::BUCKETS;
