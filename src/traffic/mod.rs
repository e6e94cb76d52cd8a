//! What each version is doing: counted by the layer, read by whoever asks.
//!
//! [`RoutingHandle::traffic`](crate::RoutingHandle::traffic) tells of one service what each of its versions got since it
//! was published first, and in the last 10 seconds, 60 seconds and 5 minutes: requests by [`Outcome`] and by
//! [`Reason`](crate::routing::Reason), how long they took to the head of their answer, how many are in flight, and the
//! share of the service's traffic beside the weight that was set. Counts are exact, and go on over changed weights, URLs
//! and republished routes. They are those of one process: each gateway tells its own. A version that is busy takes some
//! 3 KiB per processor that serves it, and up to 100 KiB for what it did in the last five minutes.
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
//! The windows come of samples that [`Deployments::run`](crate::Deployments::run) takes every two seconds; who does not
//! use it calls [`RoutingHandle::sample_traffic`](crate::RoutingHandle::sample_traffic). Without samples every window is
//! as long as the handle is old, and says so.

mod activity;
mod history;
mod latencies;
mod outcome;
mod report;
mod seen;
mod share;
mod tally;
mod verdict;

pub use self::activity::Activity;
pub(crate) use self::history::{SAMPLE_EVERY, Ticks};
pub use self::latencies::Latencies;
pub use self::outcome::Outcome;
pub use self::report::{ServiceTraffic, VersionTraffic, Window};
pub(crate) use self::seen::{Seen, is_reachable};
pub use self::share::ObservedShare;
pub(crate) use self::tally::{Counted, Flight, Tally};
pub(crate) use self::verdict::Verdict;
