//! The `timeout` parameter of requests that wait.

use std::time::Duration;

use super::problem::ApiError;
use crate::api::ProblemKind;

/// Parses a time such as `5s` or `500ms`, and refuses one that is longer than `longest`.
///
/// A longer time is refused and not shortened: a client that counts on ten minutes would take an earlier
/// response for the end of its wait. Zero is allowed: the state is read once.
pub(super) fn parse_wait_limit(text: &str, longest: Duration) -> Result<Duration, ApiError> {
    parse(text).filter(|limit| *limit <= longest).ok_or_else(|| {
        let detail = format!("timeout must be a time of at most {}s, such as 5s or 500ms", longest.as_secs());
        ApiError::new(ProblemKind::MalformedQuery, detail)
    })
}

/// Parses a whole number and its unit. The OpenAPI document has the same form as a pattern, so that a text is accepted
/// by both or by neither.
fn parse(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_lowercase());
    let millis = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    let number: u32 = digits.parse().ok().filter(|number: &u32| number.to_string() == digits)?;
    Some(Duration::from_millis(u64::from(number) * millis))
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::parse_wait_limit;
    use crate::api::{ChangeParams, TrafficParams};

    #[test]
    fn patterns_are_what_the_server_accepts() {
        let limits = [
            (ChangeParams::TIMEOUT_PATTERN, ChangeParams::MAX_TIMEOUT),
            (TrafficParams::TIMEOUT_PATTERN, TrafficParams::MAX_TIMEOUT),
        ];
        let numbers = (0..1_200).chain(9_990..10_010).chain(59_990..60_010).chain(99_990..100_010);
        let numbers: Vec<u32> = numbers.chain(599_990..600_010).chain([999_999, u32::MAX]).collect();
        for (pattern, longest) in limits {
            let pattern = Regex::new(pattern).unwrap();
            for number in &numbers {
                for unit in ["ms", "s", "m", "", "h", " s", "sm"] {
                    for text in [format!("{number}{unit}"), format!("0{number}{unit}")] {
                        let is_accepted = parse_wait_limit(&text, longest).is_ok();
                        assert_eq!(pattern.is_match(&text), is_accepted, "{text}");
                    }
                }
            }
            for text in ["", "s", "-1s", "+1s", "1.5s", "1S", "1m 5s", "99999999999s", "\u{661}s"] {
                assert!(!pattern.is_match(text) && parse_wait_limit(text, longest).is_err(), "{text}");
            }
        }
    }
}
