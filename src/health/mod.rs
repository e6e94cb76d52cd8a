//! The health of the instances of a version: which of them get requests, as this gateway sees it.
//!
//! Two things take an instance out of service, and one state machine decides about both:
//!
//! - **Checks.** [`Deployments::run`](crate::Deployments::run) requests the health path of the service at each instance. After
//!   some failures in a row the instance is [`Down`](InstanceState::Down), and after some successes in a row it is
//!   [`Up`](InstanceState::Up) again. Without a health path no checks are made.
//! - **Requests.** After some failed requests in a row, without a successful one in between, the instance is
//!   [`Ejected`](InstanceState::Ejected) for a while. A request fails if there is no response, or if the response is 502,
//!   503, 504 or the gRPC status `UNAVAILABLE`. A 500 is a fault of the version, not of one instance.
//!
//! [`Builder::with_health`](crate::deployments::Builder::with_health) switches both on, with the settings of [`Health`].
//! Without it, requests are spread over all instances.
//!
//! | state | meaning | gets requests |
//! | --- | --- | --- |
//! | `new` | not checked yet | while no instance is `up` |
//! | `up` | in service | yes |
//! | `down` | checks failed | no |
//! | `ejected` | requests failed | no, until the ejection ends. Then it is `up` on trial: one more failure ejects it again |
//!
//! Ejections leave at least half of the instances in service, so the only instance of a version is never ejected, of two
//! or three at most one is. If no instance of a version is `new` or `up`, the version keeps its share of the traffic and all
//! its instances are tried: a health path that is wrong, or a checker that is cut off, causes no outage.
//! [`Health::failover`] and [`Health::refusing`] change that.
//!
//! The state belongs to an instance of one registered version. It outlives changes of weights, of the active flag and of
//! the other base URLs. It is not stored: each gateway has a view of its own.
//!
//! Everything here is pure: no clock, no I/O, no lock.

mod apply;
mod event;
mod instance_state;
mod last_check;
mod record;
mod settings;
mod slow_start;
mod step;
mod usable;

pub(crate) use self::apply::apply;
pub(crate) use self::event::{Event, Transition};
pub use self::instance_state::InstanceState;
pub use self::last_check::LastCheck;
pub(crate) use self::record::Record;
pub use self::settings::Health;
pub(crate) use self::slow_start::{warm_share, warming};
pub(crate) use self::usable::{is_none_usable, usable};
