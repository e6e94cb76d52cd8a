//! Reads bodies and queries, with errors in plain English.
//!
//! serde's own messages name types of Rust ("expected f64"), which mean nothing to an operator. [`Field`](field::Field)
//! is a deserializer that knows the kind of value that each field needs, and [`DecodeError`] words the difference with
//! the path of the field: `weight: give a number, not a text`.

mod error;
mod field;
mod json;
mod query;

pub(super) use self::json::decode_json;
pub(super) use self::query::decode_query;
