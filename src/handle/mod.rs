//! Where routes are published, and where the layer reads them: the seam between the cold side and the hot path.
//!
//! [`RoutingHandle`] has an example. Inside, a `ServiceEntry` exists per service. A request reads its live route without a
//! lock; publishing replaces the route whole and retires the route before it until no request reads it.
//!
//! A version with several instances, or with checks, has a `Fleet`: the health of its instances, which outlives the routes.
//! Requests read one word of it.

mod balanced;
mod check_results;
mod chosen;
#[cfg(feature = "mirror")]
mod copying;
mod entry;
#[cfg(feature = "rollout")]
mod figures;
mod fleet;
mod fleet_settings;
mod fleet_state;
mod full_rows;
mod instances;
mod live;
#[cfg_attr(not(feature = "mirror"), allow(dead_code, reason = "without a mirror nothing is copied"))]
mod live_mirror;
mod observe;
mod retired;
mod routing_handle;
mod seat;
mod snapshot;
mod status;
#[cfg(test)]
mod tests;
mod times;
mod upstream;
mod words;

pub use self::chosen::{ChooseError, Chosen};
#[cfg(feature = "mirror")]
pub(crate) use self::copying::UnsentCounter;
pub(crate) use self::entry::ServiceEntry;
pub(crate) use self::fleet::Fleet;
pub(crate) use self::routing_handle::Entries;
pub use self::routing_handle::RoutingHandle;
pub(crate) use self::snapshot::{Choice, NoChoice, Pick, RouteSnapshot};
pub use self::status::{InstanceStatus, VersionInstances};
pub(crate) use self::upstream::Upstream;
