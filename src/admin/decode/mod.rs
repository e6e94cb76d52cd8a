//! Reads bodies and queries, with errors in plain English.
//!
//! serde's own messages name types of Rust ("expected f64"), which mean nothing to an operator.
//! [`Field`](field::Field) is a deserializer that knows the kind of value that each field needs, and
//! [`DecodeError`](error::DecodeError) words the difference with the path of the field:
//! `weight: give a number, not a text`.
//!
//! A body goes through three steps: the JSON is checked and duplicate names are found, it becomes a
//! [`Value`](serde_json::Value), and each field is read from the value. A query is split into names and
//! texts, and each parameter is read from its text by the same code. Only the words of serde_json for broken
//! JSON are taken over, for they are about JSON.
//!
//! | mistake | message |
//! | --- | --- |
//! | another kind of value | `weight: give a number, not a text` |
//! | another kind of value in a list | `urls.1: give a text, not null` |
//! | a number out of range | `limit: give a whole number from 0 to 4294967295, not '-1'` |
//! | an unknown word | `wait: give 'converged', not 'drained'` |
//! | an unknown name | `unknown field 'wieght': use 'weight' or 'reason'` |
//! | a missing name | `the field 'weight' is missing` |
//! | a name given twice | `duplicate field 'weight', at line 1, column 22` |
//! | broken JSON | `the body is not valid JSON at line 1, column 14: trailing comma` |
//! | JSON that is cut off | `the JSON ends too early, at line 1, column 13` |
//! | JSON of another form | `the body must be a JSON object, not a list` |

mod error;
mod field;
mod json;
mod query;

pub(super) use self::json::decode_json;
#[cfg(feature = "rollout")]
pub(super) use self::json::decode_object;
pub(super) use self::query::decode_query;
