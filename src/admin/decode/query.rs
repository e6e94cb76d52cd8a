//! Reads queries.

use serde::de::DeserializeOwned;
use serde::de::value::MapAccessDeserializer;
use serde_json::Value;
use url::form_urlencoded;

use super::field::{FieldSource, Fields};

/// Reads the query of a URI, such as `force=true&wait=converged`, or returns a message with the mistake and
/// the name of the parameter.
///
/// Names and values are decoded like the fields of an HTML form: `%20` and `+` are spaces, and invalid UTF-8
/// becomes U+FFFD.
pub(in crate::admin) fn decode_query<T: DeserializeOwned>(query: &str) -> Result<T, String> {
    let parameters = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    T::deserialize(MapAccessDeserializer::new(Fields::new(parameters, FieldSource::Query)))
        .map_err(|error| error.describe("parameter"))
}
