//! A value in the JSON of a plan, with its place.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};

use super::invalid::InvalidPlan;
use super::span;
use crate::routing::Weight;

/// The longest duration of a plan.
const LONGEST: Duration = Duration::from_hours(90 * 24);

/// A value with its place.
pub(super) struct Node<'a> {
    value: &'a Value,
    /// The place in the plan, as a JSON pointer.
    pointer: String,
}

/// The fields of an object, all of them known.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    /// The place of the object in the plan, as a JSON pointer.
    pointer: String,
}

impl<'a> Node<'a> {
    /// Returns the node of a whole plan, whose pointer is empty (RFC 6901).
    pub(super) const fn root(value: &'a Value) -> Self {
        Self { value, pointer: String::new() }
    }

    /// Creates the error for this value, with its place in the plan.
    pub(super) fn refuse(&self, reason: impl fmt::Display) -> InvalidPlan {
        InvalidPlan::new(&self.pointer, reason)
    }

    /// Creates the error for a value of another JSON type. The value itself is not repeated: the pointer
    /// finds it.
    fn wrong_kind(&self, wanted: &str) -> InvalidPlan {
        let given = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "this number",
            Value::String(_) => "this text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.refuse(format_args!("give {wanted}, not {given}"))
    }

    /// Returns whether the value is `null`, which switches a policy off.
    pub(super) fn is_null(&self) -> bool {
        self.value.is_null()
    }

    /// Returns whether the value is a number, as the short form of a step is.
    pub(super) fn is_number(&self) -> bool {
        self.value.is_number()
    }

    /// Returns the fields of an object. Refuses another value, and a field that is not `known`, at the place of that
    /// field.
    pub(super) fn fields(&self, known: &[&str]) -> Result<Fields<'a>, InvalidPlan> {
        let Value::Object(map) = self.value else { return Err(self.wrong_kind("an object")) };
        let fields = Fields { map, pointer: self.pointer.clone() };
        match map.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(InvalidPlan::new(
                fields.place(name),
                format_args!("unknown field: use {}", known.join(", ")),
            )),
            None => Ok(fields),
        }
    }

    /// Returns the elements of a list. Refuses more than `most`.
    pub(super) fn list(&self, most: usize) -> Result<Vec<Self>, InvalidPlan> {
        let Value::Array(values) = self.value else { return Err(self.wrong_kind("a list")) };
        if values.len() > most {
            return Err(self.refuse(format_args!("give at most {most}, not {}", values.len())));
        }
        let nodes = values
            .iter()
            .enumerate()
            .map(|(i, value)| Self { value, pointer: format!("{}/{i}", self.pointer) });
        Ok(nodes.collect())
    }

    /// Reads a text by the rules of its type.
    pub(super) fn parse<T: FromStr<Err: fmt::Display>>(&self) -> Result<T, InvalidPlan> {
        let text = self.value.as_str().ok_or_else(|| self.wrong_kind("a text"))?;
        text.parse().map_err(|error: T::Err| self.refuse(error))
    }

    /// Reads a list of texts, each by the rules of its type.
    pub(super) fn parse_list<T: FromStr<Err: fmt::Display>>(
        &self,
        most: usize,
    ) -> Result<Vec<T>, InvalidPlan> {
        self.list(most)?.iter().map(Self::parse).collect()
    }

    /// Reads one of the values `all` by its `word`. The refusal lists all words.
    pub(super) fn word<T: Copy>(&self, all: &[T], word: fn(T) -> &'static str) -> Result<T, InvalidPlan> {
        let given = self.value.as_str();
        let found = all.iter().copied().find(|one| Some(word(*one)) == given);
        found.ok_or_else(|| {
            let words: Vec<&str> = all.iter().map(|one| word(*one)).collect();
            self.wrong_kind(&words.join(" or "))
        })
    }

    /// Reads a number from `least` to `most`, with nine decimals. More would not be read back exactly by every reader of JSON.
    pub(super) fn number(&self, least: f64, most: f64) -> Result<f64, InvalidPlan> {
        let number = self.value.as_f64().filter(|number| (least..=most).contains(number));
        let number = number.ok_or_else(|| self.wrong_kind(&format!("a number from {least} to {most}")))?;
        Ok((number * 1e9).round() / 1e9)
    }

    /// Reads a whole number up to `most`.
    pub(super) fn count(&self, most: u64) -> Result<u64, InvalidPlan> {
        let count = self.value.as_u64().filter(|count| *count <= most);
        count.ok_or_else(|| self.wrong_kind(&format!("a whole number from 0 to {most}")))
    }

    /// Reads a percentage from 0 to 100, with up to two decimals.
    pub(super) fn weight(&self) -> Result<Weight, InvalidPlan> {
        let percent = self.value.as_f64().ok_or_else(|| self.wrong_kind("a percentage"))?;
        Weight::try_from(percent).map_err(|error| self.refuse(error))
    }

    /// Reads a duration of at most 90 days.
    pub(super) fn duration(&self) -> Result<Duration, InvalidPlan> {
        let duration = self.value.as_str().and_then(span::parse).filter(|duration| *duration <= LONGEST);
        duration.ok_or_else(|| self.wrong_kind("a duration of at most 90d, such as 30s, 5m or 2h"))
    }
}

impl<'a> Fields<'a> {
    /// Returns the field called `name`. `None`: it is not there.
    pub(super) fn get(&self, name: &str) -> Option<Node<'a>> {
        self.map.get(name).map(|value| Node { value, pointer: self.place(name) })
    }

    /// Reads the field called `name` by `read`. `None`: it is not there.
    pub(super) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Node<'a>) -> Result<T, InvalidPlan>,
    ) -> Result<Option<T>, InvalidPlan> {
        self.get(name).map(|node| read(&node)).transpose()
    }

    /// Refuses the field called `name`, if it is there.
    pub(super) fn forbid(&self, name: &str, reason: &str) -> Result<(), InvalidPlan> {
        self.get(name).map_or(Ok(()), |node| Err(node.refuse(reason)))
    }

    /// Returns the place of the field called `name`, escaped by RFC 6901, section 3.
    pub(super) fn place(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, name.replace('~', "~0").replace('/', "~1"))
    }
}
