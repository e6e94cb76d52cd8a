//! The rules of a split: names, weights, changes, slots and routes. They are pure: no I/O, no clock, no async.
//!
//! - A [`Split`] holds the versions of one service with their weights. A store keeps it.
//! - A [`Change`] is a command. [`Split::apply`] makes another split of it, or refuses it as a whole with a
//!   [`ChangeError`].
//! - A [`Route`] is a split compiled for the hot path. A [`RoutingTable`] holds the routes of all services.
//! - A [`Draw`] chooses how requests are spread over versions by weight. [`Point::from_key`] binds a user to a slot, and
//!   the [`SlotMap`] of the split gives the slot to a version.
//!
//! The weights of active versions always total exactly 100 percent. When a change sets one weight, the other active
//! versions share the rest in proportion to their weights, by largest remainder. If several others are all at 0, the
//! change is refused as ambiguous. [`Change`] describes each rule.
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
//!
//! # Serialization
//!
//! The feature `serde` implements `Serialize` and `Deserialize` for the values that stores and clients exchange. A value
//! that is invalid is refused with the message of its own error type.
//!
//! | type | form in JSON |
//! | --- | --- |
//! | [`ServiceName`], [`VersionName`], [`Backend`], [`HealthPath`], [`VersionId`], [`SlotMap`], [`Reason`] | the text that `Display` writes |
//! | [`Weight`] | a number of percent: `10`, `12.5` |
//! | [`Instances`] | a list of base URLs |
//! | [`Version`] | `{"id", "name", "instances", "weight", "active", "createdAt", "updatedAt"}` |
//! | [`VersionShare`] | `{"version", "weight", "active", "instances"?}` |
//! | [`MirrorShare`] | `{"version", "share"}` |
//! | [`ServiceSettings`] | `{"healthPath", "pinEpoch", "mirror"?}` |
//! | [`LastChange`] | `{"actor", "at"}` |
//! | [`SplitParts`] | `{"service", "salt", "generation", "pinEpoch", "healthPath", "versions", "slots", "mirror"?, "removed"?, "lastChange"?}` |
//! | [`Split`] | as [`SplitParts`]; reading repairs it as [`Split::from_parts`] does |
//! | [`Registration`] | `{"version", "url" or "urls", "weight"?, "active"?, "healthPath"?}` |
//! | [`Change`] | `{"kind", …}`, see below |
//!
//! A time is the number of milliseconds since the Unix epoch, which is the resolution of the stores. A salt is a text of
//! 16 hexadecimal digits, because many readers of JSON lose bits of numbers above 2^53. `pinEpoch` and `healthPath` may
//! be missing.
//!
//! The `kind` of a change is the word that [`Change::kind`] returns:
//!
//! | kind | other fields |
//! | --- | --- |
//! | `register` | the fields of a [`Registration`] |
//! | `set-weight` | `"version"`, `"weight"` |
//! | `set-weights` | `"weights"`: an object from versions to weights |
//! | `switch`, `activate`, `remove` | `"version"` |
//! | `deactivate` | `"version"`, `"force"`? |
//! | `set-urls`, `add-urls`, `remove-urls` | `"version"`, `"urls"`: a list of base URLs |
//! | `update` | `"version"`, one of `"url"`, `"urls"`, `"addUrls"` and `"removeUrls"`, `"active"`, `"force"`? |
//! | `set-health-path` | `"healthPath"`: a path, or `null` for none |
//! | `set-mirror` | `"mirror"`: a [`MirrorShare`], or `null` for none |
//! | `restore` | `"generation"`, `"shares"`?, `"settings"`?, `"recordedAt"`? |
//! | `redraw` | none |
//! | `remove-service` | `"force"`? |
//!
//! Fields with a `?` may be missing. Unknown fields of a change or a registration are refused, so that a misspelled
//! option is not lost. Unknown fields of the other types are ignored, so that a release can read what a later one wrote.
//! A change needs a self-describing format such as JSON, because of its tag. One base URL is written as `"url"` in a
//! registration and in an update, so that an earlier release can read it. The kind `set-url` of an earlier release, with
//! `"version"` and `"url"`, is read as `set-urls`.
//!
//! ```
//! # #[cfg(feature = "serde")] {
//! use tower_canary::routing::Change;
//!
//! let change: Change = serde_json::from_str(r#"{"kind": "set-weight", "version": "v1.1", "weight": 12.5}"#)?;
//! assert_eq!(change, Change::set_weight("v1.1".parse()?, "12.5".parse()?));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apply;
mod backend;
mod change;
mod change_constructors;
mod change_error;
mod change_text;
mod draw;
mod explain;
mod health_path;
mod instances;
mod key;
mod last_change;
mod mirror_share;
mod mirroring;
mod name;
mod path;
mod preview;
mod reason;
mod reassign;
mod rebalance;
mod registration;
mod restore;
mod route;
#[cfg(feature = "serde")]
mod serde;
mod service_settings;
mod slots;
mod split;
mod split_parts;
mod table;
mod text;
mod url_change;
mod version;
mod version_id;
mod weight;

pub use self::backend::{Backend, InvalidBackend};
pub use self::change::Change;
pub use self::change_error::ChangeError;
pub use self::draw::{Draw, Point};
pub(crate) use self::draw::{Points, random_starts};
pub use self::explain::Explanation;
pub use self::health_path::{HealthPath, InvalidHealthPath};
pub use self::instances::{Instances, InvalidInstances};
pub use self::last_change::LastChange;
pub use self::mirror_share::MirrorShare;
pub use self::name::{InvalidName, ServiceName, VersionName};
pub(crate) use self::path::has_dot_segment;
pub use self::preview::{Move, Preview};
pub use self::reason::{InvalidReason, Reason};
pub use self::registration::Registration;
pub use self::route::Route;
pub use self::service_settings::ServiceSettings;
pub use self::slots::{InvalidSlots, SlotMap};
pub use self::split::Split;
pub use self::split_parts::SplitParts;
pub use self::table::RoutingTable;
pub use self::url_change::UrlChange;
pub use self::version::{Version, VersionShare};
pub use self::version_id::{InvalidVersionId, VersionId};
pub use self::weight::{InvalidWeight, SLOTS, Weight};
