//! Segments of paths.

use std::borrow::Cow;

/// One segment of a path as a regular expression, without a dot segment in any spelling: a `..` at the start is left out,
/// and so are the encoded bytes that could make one.
macro_rules! segment_pattern {
    () => {
        concat!(
            r"\.?(?:[A-Za-z0-9_~!$&'()*+,=:@-]|",
            $crate::routing::path::encoded_pattern!(),
            r")(?:[A-Za-z0-9_~!$&'()*+,=:@.;-]|",
            $crate::routing::path::encoded_pattern!(),
            r")*"
        )
    };
}
pub(super) use segment_pattern;

/// A percent-encoded byte other than `.`, `/`, `\`, `;`, `?`, `#`, `%` and NUL.
macro_rules! encoded_pattern {
    () => {
        concat!(
            "%(?:[146-9A-Fa-f][0-9A-Fa-f]|0[1-9A-Fa-f]|2[0-246-9A-Da-d]",
            "|3[0-9AC-Eac-e]|5[0-9A-BD-Fa-bd-f])"
        )
    };
}
pub(super) use encoded_pattern;

/// Returns whether a server could read a `.` or `..` segment in `path`, which has no query.
///
/// Servers differ in what they decode before they split a path into segments, and in how often. So every spelling counts:
///
/// ```text
/// /a/../b        yes
/// /%2e%2E/x      yes, encoded dots in either letter case
/// /..%2fx        yes, an encoded slash
/// /a\..%5Cb      yes, backslashes, also encoded
/// /a/..;v=1/b    yes, a segment with parameters
/// /..%3fx        yes, a segment before an encoded `?`, `#` or NUL, where some servers end the path
/// /%252e%252e    yes, encoded several times
/// /a..b  /...    no
/// ```
pub(crate) fn has_dot_segment(path: &str) -> bool {
    if !path.contains(['.', '%']) {
        return false;
    }
    decode_fully(path).split(|byte| matches!(byte, b'/' | b'\\')).any(is_dot_segment)
}

/// Returns whether a backend may read the segment as `.` or `..`. Some cut parameters (`;`) or a NUL off
/// before they look.
fn is_dot_segment(segment: &[u8]) -> bool {
    let name = segment.split(|byte| matches!(byte, b';' | b'?' | b'#' | 0)).next();
    matches!(name, Some(b"." | b".."))
}

/// Decodes percent-encoding until nothing is left to decode, in one pass.
fn decode_fully(path: &str) -> Cow<'_, [u8]> {
    if !path.contains('%') {
        return path.as_bytes().into();
    }
    let mut decoded = Vec::with_capacity(path.len());
    for byte in path.bytes() {
        decoded.push(byte);
        // A decoded byte may complete another triplet: `%%32e` is `%2e`. Each turn shortens the text by two bytes.
        while let Some((rest, [b'%', high, low])) = decoded.split_last_chunk() {
            let (Some(high), Some(low)) = (hex_value(*high), hex_value(*low)) else { break };
            let length = rest.len();
            decoded.truncate(length);
            decoded.push(high << 4 | low);
        }
    }
    decoded.into()
}

/// Returns the value of a hexadecimal digit, or `None` for another byte.
const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::has_dot_segment;

    #[test]
    fn every_spelling_of_a_dot_segment_is_found() {
        for path in [
            "/..",
            "/a/./b",
            "/%2E%2e/x",
            "/..%2fx",
            "/..%5Cx",
            "/a/..;v=1/b",
            "/a\\..\\b",
            "..",
            "/.%2e%3bx/",
            "/..%00",
            "/..%3Fx",
            "/..%23",
            "/%252e%25252E/x",
            "/..%255cx",
            "/.%%32%65/x",
            "/%2%65./",
        ] {
            assert!(has_dot_segment(path), "{path}");
        }
        for path in [
            "",
            "/",
            "/a/b",
            "/a..b",
            "/...",
            "/.well-known/x",
            "/%2e%2e%2e",
            "/a;v=../b",
            "/%",
            "/%2",
            "/.%2",
            "/..%zz/x",
            "/%c3%bc./x",
            "/%25./x",
            "/..a%2f",
            "/ü..",
        ] {
            assert!(!has_dot_segment(path), "{path}");
        }
    }

    /// A character, encoded up to `times` times, with digits in either case.
    fn spelled(byte: u8, times: usize, upper: bool) -> String {
        let digits = if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        match times {
            0 => char::from(byte).to_string(),
            _ => format!("%{}{digits}", "25".repeat(times - 1)),
        }
    }

    fn spelling(bytes: &'static [u8]) -> impl Strategy<Value = String> {
        (select(bytes), 0..4_usize, any::<bool>())
            .prop_map(|(byte, times, upper)| spelled(byte, times, upper))
    }

    fn segment() -> impl Strategy<Value = String> {
        "[a-z0-9%.;=_-]{0,8}"
    }

    proptest! {
        #[test]
        fn any_spelling_is_found(
            before in segment(), separators in [spelling(b"/\\"), spelling(b"/\\")],
            dots in prop::collection::vec(spelling(b"."), 1..3), parameters in "(;[a-z=.]{0,5})?", after in segment(),
        ) {
            // A `%` at the end of a segment would swallow what follows.
            prop_assume!(!before.contains('%'));
            let [first, last] = separators;
            let path = format!("/{before}{first}{}{parameters}{last}{after}", dots.concat());
            prop_assert!(has_dot_segment(&path), "{path}");
        }

        #[test]
        fn other_segments_are_no_dots(
            segments in prop::collection::vec("[a-z0-9_-]{1,4}[a-z0-9.;_-]{0,6}|\\.{3,6}|\\.[a-z]{1,4}|(%20|%c3%a4)[.]{0,2}", 0..6),
        ) {
            let path = format!("/{}", segments.join("/"));
            prop_assert!(!has_dot_segment(&path), "{path}");
        }
    }
}
