//! One value of a body or a query, as a deserializer.
//!
//! The derived code of a wire type calls the method for the kind that it needs, for example
//! `deserialize_f64`. The method compares that kind with the value, and words the difference. The visitor of
//! serde, whose message would name the type of Rust, then sees only values of the right kind.

use serde::Deserializer;
use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::error::{DecodeError, alternatives, quoted};

/// A value with the place that it comes from.
pub(super) struct Field {
    value: Value,
    source: FieldSource,
}

/// The place that a value comes from. In a query every value is a text: `force=true`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldSource {
    Json,
    Query,
}

/// The names and values of an object or a query, in their order.
pub(super) struct Fields {
    entries: std::vec::IntoIter<(String, Value)>,
    source: FieldSource,
    /// The entry whose name was read and whose value was not.
    current: Option<(String, Value)>,
}

/// The values of a list, in their order.
struct Elements {
    values: std::vec::IntoIter<Value>,
    source: FieldSource,
    /// The number of values that were read.
    count: usize,
}

// === impl Field ===

impl Field {
    /// Creates the error for this value. A text of a body is not quoted, since it may be long; one of a query
    /// is.
    fn wrong_kind(&self, wanted: &str) -> DecodeError {
        let given = match &self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.to_string(),
            Value::String(text) if self.source == FieldSource::Query => quoted(text),
            Value::String(_) => "a text".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        DecodeError::wrong_kind(wanted, &given)
    }

    /// Returns the value as true or false. In a query these are the words `true` and `false`, and no others.
    fn boolean(&self) -> Option<bool> {
        match &self.value {
            Value::Bool(value) => Some(*value),
            Value::String(text) if self.source == FieldSource::Query => text.parse().ok(),
            _ => None,
        }
    }

    /// Returns the value as a whole number from 0 to `largest`. `2.0` is one, as in a JSON Schema.
    fn whole_number(&self, largest: u64) -> Result<u64, DecodeError> {
        let number = match &self.value {
            Value::Number(number) => number.as_u64().or_else(|| number.as_f64()?.to_string().parse().ok()),
            Value::String(text) if self.source == FieldSource::Query => text.parse().ok(),
            _ => None,
        };
        number
            .filter(|number| *number <= largest)
            .ok_or_else(|| self.wrong_kind(&format!("a whole number from 0 to {largest}")))
    }
}

impl<'de> Deserializer<'de> for Field {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(_) => self.deserialize_f64(visitor),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(_) => Err(self.wrong_kind("one value")),
            Value::Object(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.boolean() {
            Some(value) => visitor.visit_bool(value),
            None => Err(self.wrong_kind("true or false")),
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_u64(self.whole_number(u32::MAX.into())?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_u64(self.whole_number(u64::MAX)?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value.as_f64() {
            Some(number) => visitor.visit_f64(number),
            None => Err(self.wrong_kind("a number")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::String(text) => visitor.visit_string(text),
            _ => Err(self.wrong_kind("a text")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let source = self.source;
        match self.value {
            Value::Object(fields) => visitor.visit_map(Fields::new(fields.into_iter().collect(), source)),
            _ => Err(self.wrong_kind("an object")),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Array(values) => visitor.visit_seq(Elements::new(values, self.source)),
            _ => Err(self.wrong_kind("a list")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::String(text) => visitor.visit_enum(text.into_deserializer()),
            _ => Err(self.wrong_kind(&alternatives(variants))),
        }
    }

    // No request has a field of these kinds.
    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
        ignored_any
    }
}

// === impl Fields ===

impl Fields {
    /// Creates the fields. A name may be there twice: serde refuses that for the names that it knows, and the
    /// others are refused in any case.
    pub(super) fn new(entries: Vec<(String, Value)>, source: FieldSource) -> Self {
        Self { entries: entries.into_iter(), source, current: None }
    }
}

impl<'de> MapAccess<'de> for Fields {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.current = self.entries.next();
        let Some((name, _)) = &self.current else { return Ok(None) };
        let name: serde::de::value::StrDeserializer<'_, DecodeError> = name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        // serde asks for a value only after it has read a name.
        let (name, value) = self.current.take().unwrap_or_default();
        let field = Field { value, source: self.source };
        seed.deserialize(field).map_err(|error| error.with_field(name))
    }
}

// === impl Elements ===

impl Elements {
    fn new(values: Vec<Value>, source: FieldSource) -> Self {
        Self { values: values.into_iter(), source, count: 0 }
    }
}

impl<'de> SeqAccess<'de> for Elements {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some(value) = self.values.next() else { return Ok(None) };
        let index = self.count;
        self.count += 1;
        let field = Field { value, source: self.source };
        seed.deserialize(field).map(Some).map_err(|error| error.with_field(index.to_string()))
    }
}
