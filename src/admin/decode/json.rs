//! Reads JSON bodies.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::{Map, Value};

use super::error::quoted;
use super::field::{FieldSource, Fields};

/// Reads a JSON object, or returns a message with the mistake and its place.
///
/// The JSON is parsed twice. Bodies have at most 16 KiB, and requests of the admin API are rare.
pub(in crate::admin) fn decode_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    let fields = Fields::new(decode_object(json)?.into_iter().collect(), FieldSource::Json);
    T::deserialize(MapAccessDeserializer::new(fields)).map_err(|error| error.describe("field"))
}

/// Reads a JSON object without a type for its fields, or returns a message with the mistake and its place.
pub(in crate::admin) fn decode_object(json: &[u8]) -> Result<Map<String, Value>, String> {
    // First the names: a `Value` keeps one of two fields with the same name, and it is not known which one is
    // meant.
    serde_json::from_slice::<UniqueNames>(json).map_err(|error| describe(&error))?;
    match serde_json::from_slice(json).map_err(|error| describe(&error))? {
        Value::Object(fields) => Ok(fields),
        Value::Array(_) => Err("the body must be a JSON object, not a list".to_owned()),
        Value::String(_) => Err("the body must be a JSON object, not a text".to_owned()),
        other => Err(format!("the body must be a JSON object, not {other}")),
    }
}

/// Words a mistake in the JSON itself, with its line and column.
///
/// serde_json has no codes for its errors, only texts. An unknown text is passed on, so a later release of
/// serde_json can at worst bring back its own words for JSON.
fn describe(error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    let text = error.to_string();
    let suffix = format!(" at line {} column {}", error.line(), error.column());
    let reason = match text.strip_suffix(&suffix).unwrap_or(&text) {
        "expected value" => "a value is missing, or a text is not in double quotes",
        "expected ident" => "only null, true and false are words without double quotes",
        "recursion limit exceeded" => "the values are nested too deeply",
        other => other,
    };
    match error.classify() {
        Category::Eof => format!("the JSON ends too early, at {place}"),
        Category::Syntax => format!("the body is not valid JSON at {place}: {reason}"),
        Category::Data | Category::Io => format!("{reason}, at {place}"),
    }
}

/// Any JSON in which no object has two fields with the same name.
///
/// Parsers differ in which of both fields they take (RFC 8259, section 4), so a proxy that checks bodies
/// could see another change than the gateway makes.
struct UniqueNames;

impl<'de> Deserialize<'de> for UniqueNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueNamesVisitor)
    }
}

struct UniqueNamesVisitor;

impl<'de> Visitor<'de> for UniqueNamesVisitor {
    type Value = UniqueNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<UniqueNames, A::Error> {
        while values.next_element::<UniqueNames>()?.is_some() {}
        Ok(UniqueNames)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<UniqueNames, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            if names.contains(&name) {
                return Err(Error::custom(format!("duplicate field {}", quoted(&name))));
            }
            fields.next_value::<UniqueNames>()?;
            names.insert(name);
        }
        Ok(UniqueNames)
    }
}
