//! Durations as a plan writes them: `500ms`, `30s`, `5m`, `2h`, `1d`.

use std::time::Duration;

/// The units in milliseconds, longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a whole number with its unit. `None`: another text, or more than 2^64 milliseconds.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_lowercase());
    let (_, unit) = UNITS.iter().find(|(name, _)| *name == &text[digits.len()..])?;
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_plain)?;
    number.checked_mul(*unit).map(Duration::from_millis)
}

/// Writes a duration in the longest unit of which it is a multiple. It has whole milliseconds.
pub(crate) fn text(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match UNITS.iter().find(|(_, unit)| millis >= *unit && millis.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", millis / unit),
        None => "0s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{parse, text};

    #[test]
    fn durations_are_read_back() {
        for written in ["0s", "1ms", "500ms", "1s", "90s", "5m", "2h", "1d", "1001ms", "61s"] {
            assert_eq!(text(parse(written).unwrap()), written);
        }
        assert_eq!(parse("60s"), Some(Duration::from_secs(60)));
        assert_eq!(text(Duration::from_secs(3_600)), "1h");
    }

    #[test]
    fn other_texts_are_refused() {
        for other in [
            "",
            "5",
            "m",
            "-5m",
            "+5m",
            "5 m",
            "1.5h",
            "5M",
            "1h30m",
            "\u{665}m",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
