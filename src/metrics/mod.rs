//! Exports metrics by the [`metrics`](https://docs.rs/metrics) facade to the recorder that the application installs.
//!
//! | metric | kind | labels | meaning |
//! | --- | --- | --- | --- |
//! | `canary_requests_total` | counter | `service`, `version`, `outcome` | requests that ended; `outcome` is an [`Outcome`](crate::traffic::Outcome) |
//! | `canary_picks_total` | counter | `service`, `version`, `reason` | requests given to the version; `reason` is a [`Reason`](crate::routing::Reason) but `mirror`: copies are in no share |
//! | `canary_request_duration_seconds` | histogram | `service`, `version` | time until the response headers arrived, within 3.2 % |
//! | `canary_mirror_copies_total` | counter | `service`, `version`, `outcome` | copies of requests that ended. A version that neither gets nor got copies has no such series |
//! | `canary_mirror_unsent_total` | counter | `service`, `version`, `cause` | requests that were drawn to be copied and were not; `cause` is an [`Unsent`](crate::traffic::Unsent) |
//! | `canary_mirror_duration_seconds` | histogram | `service`, `version` | time until the response headers of copies |
//! | `canary_in_flight` | gauge | `service`, `version` | requests in flight, open tunnels and copies included |
//! | `canary_weight` | gauge | `service`, `version` | weight in percent; 0 for a version that was removed |
//! | `canary_backend_healthy` | gauge | `service`, `version` | 1 if an instance is usable, else 0; of a version that is not [observed](#instances) the result of the last probe; NaN for a version that was removed |
//! | `canary_instances` | gauge | `service`, `version`, `state` | instances by [state](crate::health::InstanceState) |
//! | `canary_instance_usable` | gauge | `service`, `version`, `url` | 1 if requests may be given to the instance for its health, else 0; NaN for a base URL that was removed |
//! | `canary_instance_in_flight` | gauge | `service`, `version`, `url` | requests in flight at the instance |
//! | `canary_instance_ejections_total` | counter | `service`, `version`, `url` | ejections, because requests to the instance failed |
//! | `canary_health_checks_total` | counter | `service`, `version`, `result` | checks of the instances: `passed` or `failed` |
//! | `canary_diverted_total` | counter | `service`, `version` | requests that were drawn for the version and given to another one, because no instance was usable |
//! | `canary_none_usable` | gauge | `service`, `version` | 1 if no instance is usable, else 0; NaN for a version that was removed |
//! | `canary_no_backend_total` | counter | `service` | requests that came while no version was active, or were refused since no instance was usable |
//! | `canary_unknown_service_total` | counter | | requests for a service that is not registered |
//! | `canary_snapshot_revision` | gauge | | revision of the store that is served, with the changes made here |
//! | `canary_snapshot_age_seconds` | gauge | | time since that revision was known to be the latest |
//! | `canary_store_errors_total` | counter | `op` | failed calls of the store: `load`, `apply`, `history`, and `write-rollout` with the feature `rollout` |
//! | `canary_admin_changes_total` | counter | `action`, `result` | requested changes by kind and result: `applied`, `refused`, or `failed` when the store could not be used |
//! | `canary_rollout_phase` | gauge | `service`, `phase` | 1 for the [phase](#rollouts) of the rollout of the service, 0 for the others |
//! | `canary_rollout_step` | gauge | `service` | number of the stage, from 1; 0 before the first one |
//! | `canary_rollout_evidence` | gauge | `service`, `measure` | decimal logarithm of the odds against the canary: 3 is 1,000 : 1; NaN before the first window |
//! | `canary_rollouts_total` | counter | `service`, `outcome` | rollouts that this gateway has ended: `completed`, `rolled-back`, `aborted` or `returned` |
//! | `canary_rollout_leader` | gauge | `service` | 1 if this gateway leads the rollout, else 0 |
//! | `canary_rollout_tick_age_seconds` | gauge | `service` | time since a gateway drove the rollout |
//! | `canary_upstream_connections` | gauge | `backend`, `state` | connections to a backend: `idle` or `in_use` |
//!
//! # When they are recorded
//!
//! The gauge of connections is set by `publish_metrics` of the client for backends (feature `client`).
//! Failures of the store, changes and checks are recorded when they happen. All others are exported by
//! [`Deployments::record_metrics`](crate::Deployments::record_metrics), so a request costs nothing more than what
//! [`traffic`](crate::traffic) counts anyway. Call it every few seconds: each latency is exported singly, so an hour's
//! worth of them would be exported in one burst.
//!
//! # Cardinality
//!
//! Every label value comes from the store or from this crate, and none from a request. Whichever paths and hosts
//! clients ask for, there are as many series as versions that had a request, or whose counters
//! [begin at 0](#first-and-last-values).
//!
//! # Instances
//!
//! A version is observed if it has several instances, or checks. The only instance of a version without checks is always
//! up, so it has no series. The label is `url`, since Prometheus sets `instance` to the gateway that it reads.
//!
//! # Rollouts
//!
//! `RolloutMetrics` (feature `rollout`) exports them on every gateway that runs the driver, from what the driver has read, so
//! an export makes no call of the store. The phases are `waiting`, `holding`, `gated`, `paused` and `returning`. All gateways
//! have the same values, except for `canary_rollout_leader` and `canary_rollouts_total`: one gateway leads a rollout, and one
//! counts its end, so their sums over all gateways are right.
//!
//! `min by (service) (canary_rollout_tick_age_seconds)` grows while nobody drives a rollout: see
//! [how to alert on it](crate::docs::operating#metrics-and-alerts).
//!
//! # First and last values
//!
//! Prometheus sees no increase of a counter that begins above 0, so a counter or histogram exists at 0 before the first
//! request of an active version, if its service has several versions or had a request. The first failures of a canary are
//! an increase then. A service with one version that nobody uses has only the gauges. The counters of the gateway itself
//! exist at 0 from the first export.
//!
//! The facade cannot remove a series. After the removal of a version or service, its weight is 0, its health is NaN, and
//! nothing is exported for it once its last request has ended. The same holds for a base URL that was removed. Of a
//! rollout that is over, all phases are 0, the other gauges are NaN, and the counter stays. A recorder with an idle timeout for counters and gauges,
//! longer than the time between two exports, then drops its series. Do not set the timeout for histograms: it
//! would also drop the histogram of a version without requests.
//!
//! # Installing a recorder
//!
//! The recorder must be installed by `metrics` 0.24:
//!
//! ```
//! use std::time::Duration;
//! use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
//! use metrics_util::MetricKindMask;
//! use tower_canary::metrics::BUCKETS;
//! # use tower_canary::{Deployments, Draw};
//!
//! # let deployments = Deployments::in_memory(Draw::Exact);
//! let durations = Matcher::Full("canary_request_duration_seconds".into());
//! let recorder = PrometheusBuilder::new()
//!     .set_buckets_for_metric(durations, BUCKETS)?
//!     .idle_timeout(MetricKindMask::COUNTER | MetricKindMask::GAUGE, Some(Duration::from_secs(300)))
//!     .install_recorder()?;
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

mod copies;
mod exporter;
mod instances;
mod labels;
#[cfg(feature = "rollout")]
mod rollouts;

pub use self::exporter::BUCKETS;
#[cfg(feature = "rollout")]
pub use self::rollouts::RolloutMetrics;
