//! Rows of the tables, and the values that they store.

mod flaw;
mod number;
mod service;
mod shares;
mod version;

pub(crate) use self::flaw::{Flaw, parse_version};
pub(crate) use self::number::{to_signed, to_unsigned};
pub(crate) use self::service::{COLUMNS as SERVICE_COLUMNS, ServiceRows, VERSIONS};
pub(crate) use self::shares::{parse_shares, shares_to_json};
pub(crate) use self::version::{COLUMNS as VERSION_COLUMNS, version_row};
