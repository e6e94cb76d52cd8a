//! Reads queries.

use serde::de::DeserializeOwned;
use serde::de::value::MapAccessDeserializer;
use serde_json::Value;
use url::form_urlencoded;

use super::field::{Fields, Source};

/// Reads the query of a URI, such as `force=true&wait=converged`. The error says what is wrong and where.
pub(in crate::admin) fn decode_query<T: DeserializeOwned>(query: &str) -> Result<T, String> {
    let parameters = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    T::deserialize(MapAccessDeserializer::new(Fields::new(parameters, Source::Query)))
        .map_err(|error| error.describe("parameter"))
}
