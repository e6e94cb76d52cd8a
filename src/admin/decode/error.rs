//! Why a body or a query cannot be read.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

/// The largest number of characters of a name or value that an error quotes.
const MAX_QUOTE: usize = 40;

/// Why a body or a query cannot be read, and where.
///
/// serde creates the error through the constructors of [`de::Error`], which get the facts separately: the unknown name,
/// the list of known ones, the value. The text of a serde_json error would have to be parsed for them.
#[derive(Debug)]
pub(super) struct DecodeError {
    /// The names of the fields around the error, innermost first.
    path: Vec<String>,
    mistake: Mistake,
}

/// The mistake. The variants with names are worded only when it is known whether they are fields or
/// parameters.
#[derive(Debug)]
enum Mistake {
    /// A name that the type does not have, and the names that it has.
    Unknown { name: String, known: &'static [&'static str] },
    /// A name without which there is no value.
    Missing { name: &'static str },
    /// A name that is given twice.
    Duplicate { name: &'static str },
    /// Any other mistake, in words.
    Other(String),
}

impl DecodeError {
    /// Creates the error for a value of another kind than `wanted`.
    pub(super) fn wrong_kind(wanted: &str, given: &str) -> Self {
        Self::other(format!("give {wanted}, not {given}"))
    }

    /// Creates an error without a place in the body.
    fn other(text: String) -> Self {
        Self { path: Vec::new(), mistake: Mistake::Other(text) }
    }

    /// Adds the name of the field that has the error. The innermost field is added first, on the way out.
    pub(super) fn with_field(mut self, name: String) -> Self {
        self.path.push(name);
        self
    }

    /// Returns the message. `noun` is the word for a name: field or parameter.
    pub(super) fn describe(&self, noun: &str) -> String {
        let reason = match &self.mistake {
            Mistake::Unknown { name, known: [] } => format!("unknown {noun} {}", quoted(name)),
            Mistake::Unknown { name, known } => {
                format!("unknown {noun} {}: use {}", quoted(name), alternatives(known))
            }
            Mistake::Missing { name } => format!("the {noun} '{name}' is missing"),
            Mistake::Duplicate { name } => format!("duplicate {noun} '{name}': give it once"),
            Mistake::Other(text) => text.clone(),
        };
        if self.path.is_empty() {
            return reason;
        }
        let path: Vec<String> = self.path.iter().rev().map(|name| shorten_and_escape(name)).collect();
        format!("{}: {reason}", path.join("."))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe("field"))
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::other(text.to_string())
    }

    fn invalid_type(given: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::wrong_kind(&wanted.to_string(), &describe_value(given))
    }

    fn invalid_value(given: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::wrong_kind(&wanted.to_string(), &describe_value(given))
    }

    fn unknown_variant(given: &str, known: &'static [&'static str]) -> Self {
        Self::wrong_kind(&alternatives(known), &quoted(given))
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        Self { path: Vec::new(), mistake: Mistake::Unknown { name: name.to_owned(), known } }
    }

    fn missing_field(name: &'static str) -> Self {
        Self { path: Vec::new(), mistake: Mistake::Missing { name } }
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self { path: Vec::new(), mistake: Mistake::Duplicate { name } }
    }
}

/// Quotes a text of the request, shortened and without control characters.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", shorten_and_escape(text))
}

/// Lists the alternatives, as in `'a', 'b' or 'c'`. Without any, it is the word `nothing`.
pub(super) fn alternatives(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

/// Shortens a text of the request and escapes control characters, which a terminal would act on.
fn shorten_and_escape(text: &str) -> String {
    let start: String = text.chars().take(MAX_QUOTE).collect();
    let dots = if start.len() < text.len() { "…" } else { "" };
    format!("{}{dots}", start.escape_debug())
}

/// Describes a value that serde has refused. This is for mistakes that [`Field`](super::field::Field) does
/// not find by itself.
fn describe_value(given: Unexpected<'_>) -> String {
    match given {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        Unexpected::Str(_) | Unexpected::Char(_) | Unexpected::Bytes(_) => "a text".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "an object".to_owned(),
        _ => "null".to_owned(),
    }
}
