//! Rows of the tables, and the values that they store.
//!
//! Rows may be edited by hand, so every value is parsed when it is read. A value that cannot be parsed is a [`Flaw`] with
//! its table, row and column. It takes its own service out of a load and no other.
//!
//! A service is read in one of two forms, since reading one text is several times faster than reading its rows:
//!
//! - *One row per service*: the columns with their types, and the versions as one JSON array of arrays.
//! - *Packed*, on SQLite: up to 64 services in one JSON array of arrays. It holds strings only, so a value of a wrong type
//!   makes the text unreadable, and the services are read one by one to find it.
//!
//! In both forms an array has the columns in the order of a constant, and is deserialized into a struct with a field for
//! each of them.

mod details;
mod draining;
mod flaw;
mod json;
mod last_change;
mod mirror;
mod number;
mod rollout;
mod service;
mod shares;
mod urls;
mod version;

pub(crate) use self::details::Details;
pub(crate) use self::draining::{draining_urls, draining_versions, parse_draining};
pub(crate) use self::flaw::{Flaw, ok_or_log, parse_version};
pub(crate) use self::last_change::LastChangeJson;
pub(crate) use self::mirror::MirrorJson;
pub(crate) use self::number::{to_signed, to_unsigned};
pub(crate) use self::rollout::{SERVICE_REVISION, parse_event, parse_rollout};
pub(crate) use self::service::{COLUMNS as SERVICE_COLUMNS, ServiceRows, VERSIONS};
pub(crate) use self::shares::{parse_shares, shares_to_json};
pub(crate) use self::version::{COLUMNS as VERSION_COLUMNS, version_row};
