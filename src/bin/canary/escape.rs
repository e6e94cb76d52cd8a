//! Text of others, made harmless for a terminal.
//!
//! A name, a reason or a problem may have control characters that move the cursor, and marks that reorder the text around
//! them. Each such character is written as its number.

use std::borrow::Cow;
use std::fmt::Write;

/// Returns `text` with each control character and each invisible mark as `\u{202e}`.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    escape_with(text, is_hidden, |c, escaped| write!(escaped, "{}", c.escape_unicode()))
}

/// Returns a JSON text with these characters as `\u202e`. Its value stays the same.
///
/// In JSON they stand within strings only, beside the line breaks and tabs of its layout, which stay.
pub(crate) fn escape_json(json: &str) -> String {
    let escaped = escape_with(json, is_harmful_in_json, |c, escaped| {
        c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(escaped, "\\u{unit:04x}"))
    });
    escaped.into_owned()
}

/// Returns whether a character of a JSON document must be escaped. The white space between its parts stays.
fn is_harmful_in_json(c: char) -> bool {
    is_hidden(c) && !matches!(c, '\n' | '\t' | '\r')
}

/// Replaces the harmful characters of a text. A text without any is returned as it is.
fn escape_with(
    text: &str,
    is_harmful: fn(char) -> bool,
    write_escaped: impl Fn(char, &mut String) -> std::fmt::Result,
) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmful(c) {
            // Writing to a string does not fail.
            let _ = write_escaped(c, &mut escaped);
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Returns whether a terminal acts on the character, or shows nothing for it.
fn is_hidden(c: char) -> bool {
    let is_mark = matches!(
        c,
        // Soft hyphen, joiners and fillers without a shape, marks of direction, zero width, separators of lines, invisible
        // operators, tags and other selectors than those of emoji.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}'
    );
    c.is_control() || is_mark
}

#[cfg(test)]
mod tests {
    use super::{escape, escape_json};

    #[test]
    fn plain_text_stays() {
        for text in ["", "v1.1 responds with 500", "Grüße, 东京 🚀"] {
            assert_eq!(escape(text), text);
        }
    }

    #[test]
    fn control_characters_and_marks_are_numbers() {
        assert_eq!(escape("\u{1b}[2Jx\r\n\u{7f}\u{9b}31m"), r"\u{1b}[2Jx\u{d}\u{a}\u{7f}\u{9b}31m");
        assert_eq!(
            escape("a\u{202e}b\u{2066}c\u{200b}d\u{feff}e\u{e0041}f\u{3164}g\u{34f}h\u{e0101}"),
            r"a\u{202e}b\u{2066}c\u{200b}d\u{feff}e\u{e0041}f\u{3164}g\u{34f}h\u{e0101}"
        );
    }

    #[test]
    fn escaped_json_has_the_same_value() {
        let json = "{\"a\": \"x\u{202e}\u{9b}\u{e0041}y\",\n\t\"b\": \"\\u001b\"}";
        let escaped = escape_json(json);
        assert_eq!(escaped, "{\"a\": \"x\\u202e\\u009b\\udb40\\udc41y\",\n\t\"b\": \"\\u001b\"}");
        let values = [json, &escaped].map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
        assert_eq!(values[0], values[1]);
    }
}
