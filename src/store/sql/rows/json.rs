//! Values that are stored as JSON.

use serde::Serialize;

/// Returns the JSON of a value for a column.
///
/// The values of columns are structs, lists and maps with text keys, of texts, numbers and booleans. serde_json fails on
/// none of them, so the macro, which would panic, has no such case.
pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::json!(value).to_string()
}
