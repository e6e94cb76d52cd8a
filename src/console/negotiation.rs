//! Which form of the page a client accepts, and whether the client has that form already.

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderName, IF_NONE_MATCH};

/// Returns whether the client accepts gzip. A client without `Accept-Encoding` accepts every coding (RFC 9110, section
/// 12.5.3).
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    if !headers.contains_key(ACCEPT_ENCODING) {
        return true;
    }
    let coding = find_coding(headers, "gzip").or_else(|| find_coding(headers, "*"));
    coding.is_some_and(|coding| !is_refused(coding))
}

/// Returns whether the client has the response with this tag, which is in quotes (RFC 9110, section 13.1.2).
pub(super) fn has_response(headers: &HeaderMap, tag: &str) -> bool {
    items(headers, &IF_NONE_MATCH).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// Returns the item of `Accept-Encoding` about a coding, with its weight. `None`: the client does not name the coding.
fn find_coding<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    items(headers, &ACCEPT_ENCODING).find(|coding| coding_name(coding).eq_ignore_ascii_case(name))
}

/// Returns the items of a list-valued field (RFC 9110, section 5.6.1). Lines that are not visible ASCII are left out.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Returns the name of a coding, without its weight.
fn coding_name(coding: &str) -> &str {
    coding.split(';').next().unwrap_or_default().trim()
}

/// Returns whether the weight of the coding is 0.
fn is_refused(coding: &str) -> bool {
    let weights = coding.split(';').skip(1).filter_map(|parameter| parameter.trim().strip_prefix("q="));
    weights.filter_map(|weight| weight.parse::<f32>().ok()).any(|weight| weight <= 0.0)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn gzip_unless_it_is_refused() {
        let cases = [
            ("gzip, deflate, br", true),
            ("GZIP;q=0.5", true),
            ("*", true),
            ("br", false),
            ("identity", false),
            ("", false),
            ("gzip;q=0", false),
            ("gzip; q=0.0, *", false),
        ];
        for (value, expected) in cases {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(accepts_gzip(&headers), expected, "{value}");
        }
        assert!(accepts_gzip(&HeaderMap::new()));
    }
}
