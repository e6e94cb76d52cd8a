//! Where routes are published, and where the layer reads them: the seam between the cold side and the hot path.
//!
//! [`RoutingHandle`] has an example. Inside, a `ServiceEntry` exists per service. A request reads its live route without a
//! lock; publishing replaces the route whole and retires the route before it until no request reads it.

mod chosen;
mod entry;
mod live;
mod observe;
mod retired;
mod routing_handle;
mod upstream;

pub use self::chosen::{ChooseError, Chosen};
pub(crate) use self::entry::{Choice, NoChoice, Pick, RouteSnapshot, ServiceEntry};
pub(crate) use self::routing_handle::Entries;
pub use self::routing_handle::RoutingHandle;
pub(crate) use self::upstream::Upstream;
