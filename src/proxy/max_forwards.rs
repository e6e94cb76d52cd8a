//! How many more proxies a request may pass: `Max-Forwards` (RFC 9110, 7.6.2).

use http::header::{HeaderMap, HeaderValue, MAX_FORWARDS};

/// Counts this proxy in `Max-Forwards`. Returns `false` if the request must not be forwarded any further.
///
/// The lowest of several values counts. Values that are not numbers are left as they are.
pub(super) fn count_forward(headers: &mut HeaderMap) -> bool {
    let lowest = headers.get_all(MAX_FORWARDS).iter().filter_map(number).min();
    let Some(remaining) = lowest else { return true };
    match remaining.checked_sub(1) {
        None => false,
        Some(remaining) => {
            headers.insert(MAX_FORWARDS, remaining.into());
            true
        }
    }
}

/// Parses digits. A number that is too large becomes the largest that this proxy supports, as the RFC allows.
fn number(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_forwards_counts_down() {
        for (values, forwards, remaining) in [
            (&["3"][..], true, Some("2")),
            (&["1"], true, Some("0")),
            (&["0"], false, Some("0")),
            (&["00"], false, Some("00")),
            (&["5", "2"], true, Some("1")),
            (&["5", "0"], false, Some("5")),
            (&["99999999999999999999"], true, Some("18446744073709551614")),
            (&["+1"], true, Some("+1")),
            (&["-1"], true, Some("-1")),
            (&[""], true, Some("")),
            (&[], true, None),
        ] {
            let mut headers: HeaderMap =
                values.iter().map(|value| (MAX_FORWARDS, value.parse().unwrap())).collect();
            assert_eq!(count_forward(&mut headers), forwards, "{values:?}");
            assert_eq!(headers.get(MAX_FORWARDS).map(|left| left.to_str().unwrap()), remaining, "{values:?}");
        }
    }
}
