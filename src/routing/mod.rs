//! The rules of a split: names, weights, changes, slots and routes. Pure: no I/O, no clock, no async.
//!
//! A [`Split`] is what is stored of a service. A [`Change`] makes another split of it, or is refused whole. A
//! [`Route`] is a split compiled for requests, a [`RoutingTable`] is all of them, and a [`Draw`] says where the
//! point of a request comes from.
//!
//! The weights of active versions always total exactly 100 percent. When one weight is set, the others share the
//! rest in proportion to their present weights, by largest remainder; where they are all at 0 and several, the
//! change is refused as ambiguous instead of guessed. See [`Change`] for each rule.
//!
//! ```
//! use tower_canary::routing::{Change, ChangeError, Split};
//!
//! let at = std::time::SystemTime::now();
//! let split = Split::new("auth".parse()?, 7)
//!     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
//!     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?
//!     .apply(&Change::set_weight("v1.1".parse()?, "0.5".parse()?), at)?;
//! assert_eq!(split.versions()[0].weight.percent(), 99.5);
//!
//! let remove = Change::remove("v1.1".parse()?);
//! assert!(matches!(split.apply(&remove, at), Err(ChangeError::VersionActive(_))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apply;
mod backend;
mod change;
mod change_error;
mod draw;
mod explain;
mod health_path;
mod instances;
mod key;
mod name;
mod path;
mod preview;
mod reason;
mod reassign;
mod rebalance;
mod registration;
mod route;
mod slots;
mod split;
mod table;
mod text;
mod version;
mod version_id;
mod weight;

pub use self::backend::{Backend, InvalidBackend};
pub use self::change::Change;
pub use self::change_error::ChangeError;
pub(crate) use self::draw::Points;
pub use self::draw::{Draw, Point};
pub use self::explain::Explanation;
pub use self::health_path::{HealthPath, InvalidHealthPath};
pub use self::instances::{Instances, InvalidInstances};
pub use self::name::{InvalidName, ServiceName, VersionName};
pub use self::preview::{Move, Preview};
pub use self::reason::{InvalidReason, Reason};
pub use self::registration::Registration;
pub use self::route::Route;
pub use self::slots::{InvalidSlots, SlotMap};
pub use self::split::{Split, SplitParts};
pub use self::table::RoutingTable;
pub use self::version::{Version, VersionShare};
pub use self::version_id::{InvalidVersionId, VersionId};
pub use self::weight::{InvalidWeight, SLOTS, Weight};
