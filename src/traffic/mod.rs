//! What each version does: counted by the layer, read by the application, the admin API and the metrics.
//!
//! [`RoutingHandle::traffic`](crate::RoutingHandle::traffic) returns the traffic of each version of a service, in total
//! since it was published first and in the last 10 seconds, 60 seconds and 5 minutes:
//!
//! - requests by [`Outcome`] and by [`Reason`](crate::routing::Reason),
//! - [`Latencies`] until the response head,
//! - the requests in flight,
//! - the [`ObservedShare`] of the service's traffic, to be compared with the weight,
//! - the copies of requests ([`CopyTraffic`]) that a version got, apart from its requests.
//!
//! Counts are exact. They continue when weights or URLs change and when routes are published again. Each process counts its
//! own requests. A busy version takes about 3 KiB per instance and processor that serves it, and up to 100 KiB for its last
//! five minutes.
//!
//! ```
//! use std::time::Duration;
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_canary::traffic::Outcome;
//! # use tower_canary::routing::{Change, Route, Split};
//! # use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # let at = std::time::SystemTime::now();
//! # let split = Split::new("auth".parse()?, 7)
//! #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1:8080".parse()?), at)?
//! #     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2:8080".parse()?), at)?
//! #     .apply(&Change::set_weight("v1.1".parse()?, "10".parse()?), at)?;
//! # let handle = RoutingHandle::new();
//! # assert!(handle.publish(Route::compile(split)));
//! # let client = service_fn(|_: Request<String>| async { Ok::<_, std::convert::Infallible>(Response::new(String::new())) });
//! let layered = WeightedVersionLayer::new(&handle, Target::service("auth".parse()?)).layer(client);
//! for _ in 0..100 {
//!     layered.clone().oneshot(Request::new(String::new())).await?;
//! }
//! let traffic = handle.traffic("auth").ok_or("unknown")?;
//! let canary = &traffic.versions[1];
//! assert_eq!(canary.total.outcome(Outcome::Success), canary.total.requests());
//! assert!(canary.total.latencies.quantile(0.99) < Some(Duration::from_secs(1)));
//! assert_eq!((canary.in_flight, canary.is_drained()), (0, false));
//! let share = canary.windows[0].share.ok_or("no requests")?;
//! assert!(share.low < 10.0 && 10.0 < share.high);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Windows begin at samples, which [`Deployments::run`](crate::Deployments::run) takes every two seconds. Without it, call
//! [`RoutingHandle::sample_traffic`](crate::RoutingHandle::sample_traffic). Without samples, a window reaches back to the
//! creation of the handle, as its length says.
//!
//! # When a client leaves
//!
//! A request that its client gives up is [`Abandoned`](Outcome::Abandoned) before the response head and
//! [`Cancelled`](Outcome::Cancelled) after it. A time limit outside of the layer counts as a client that leaves: a version
//! that is too slow for it shows as `abandoned`, not as `5xx`. Below the layer, or with the shorter time limit of a `Proxy`
//! around it, the same request counts as `error`.

mod activity;
#[cfg_attr(not(feature = "mirror"), allow(dead_code, reason = "without a mirror there is no copy"))]
mod apart_counters;
mod copies;
mod counters;
mod end_counters;
mod failure_row;
mod figures;
mod history;
mod in_flight;
mod instance_counters;
mod latencies;
mod outcome;
mod proxy_outcome;
mod report;
#[cfg(feature = "rollout")]
mod reported;
mod series;
mod shard_counters;
mod share;
#[cfg(feature = "rollout")]
mod short_text;
mod snapshot;
mod summary;

pub use self::activity::Activity;
pub(crate) use self::apart_counters::ApartRecord;
#[cfg(feature = "mirror")]
pub(crate) use self::apart_counters::CopySentFlag;
pub use self::copies::{CopyTraffic, Unsent};
pub(crate) use self::counters::{Counters, InstanceCounts};
pub(crate) use self::failure_row::{FailureRow, RowObserver};
pub use self::figures::{Figures, MirrorFigures};
pub(crate) use self::history::{SAMPLE_EVERY, SampleTimes};
pub(crate) use self::in_flight::InFlight;
pub(crate) use self::instance_counters::InstanceCounters;
#[cfg(feature = "rollout")]
pub(crate) use self::latencies::Edge;
pub use self::latencies::Latencies;
pub use self::outcome::{InvalidOutcome, Outcome};
pub(crate) use self::proxy_outcome::ProxyOutcome;
pub use self::report::{ServiceTraffic, VersionTraffic, Window};
#[cfg(feature = "rollout")]
pub(crate) use self::reported::ReportedFigures;
pub use self::series::{TrafficSample, VersionSeries};
pub use self::share::ObservedShare;
pub(crate) use self::snapshot::{ServiceSnapshot, VersionSnapshot};
pub use self::summary::ServiceSummary;
