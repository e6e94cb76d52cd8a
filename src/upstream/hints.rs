//! What the headers of a message say about its connection.

use std::time::Duration;

use http::HeaderMap;
use http::header::{AUTHORIZATION, AsHeaderName, HeaderName, WWW_AUTHENTICATE};

use super::settings::HeadLimits;

/// Schemes that authenticate the connection instead of the request.
const CONNECTION_SCHEMES: [&str; 2] = ["negotiate", "ntlm"];

/// What HTTP/2 counts for each field beside its name and value (RFC 9113, 6.5.2).
const FIELD_OVERHEAD: usize = 32;

/// Returns whether a request with these headers may authenticate its connection.
pub(super) fn authenticates_connection(request: &HeaderMap) -> bool {
    has_connection_scheme(request, AUTHORIZATION)
}

/// Returns whether a response with these headers belongs to such an authentication.
pub(super) fn negotiates_connection(response: &HeaderMap) -> bool {
    has_connection_scheme(response, WWW_AUTHENTICATE)
}

/// A header may have several challenges, and a challenge may have several parameters: each element between two commas can
/// begin with a scheme.
fn has_connection_scheme(headers: &HeaderMap, name: impl AsHeaderName) -> bool {
    let values = headers.get_all(name).iter();
    values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).any(|element| {
        let scheme = element.trim_ascii().split(u8::is_ascii_whitespace).next().unwrap_or_default();
        CONNECTION_SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known.as_bytes()))
    })
}

/// Returns how long the server keeps an idle connection, by `Keep-Alive: timeout=SECONDS`.
///
/// A fifth is taken off, for the time that a request is on its way.
pub(super) fn keep_alive(response: &HeaderMap) -> Option<Duration> {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    let value = response.get(KEEP_ALIVE)?.to_str().ok()?;
    let seconds = value.split(',').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_timeout = name.trim().eq_ignore_ascii_case("timeout");
        is_timeout.then(|| value.trim().trim_matches('"').parse::<u32>().ok()).flatten()
    })?;
    Some(Duration::from_secs(seconds.into()) * 4 / 5)
}

/// Returns whether the fields of a head, or of trailers, are within the limits.
pub(super) fn is_within(limits: HeadLimits, fields: &HeaderMap) -> bool {
    fields.len() <= limits.headers
        && fields
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD)
            .sum::<usize>()
            <= limits.size
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};

    use super::{authenticates_connection, keep_alive, negotiates_connection};

    #[test]
    fn connection_schemes_are_found() {
        for (value, found) in [
            ("Negotiate", true),
            ("NTLM TlRMTVNTUAAB", true),
            ("nEGOTIATE oYG", true),
            ("Basic realm=\"a\", negotiate", true),
            ("Basic realm=\"a\",NTLM", true),
            ("Basic bnRsbQ==", false),
            ("Bearer ntlm", false),
            ("Negotiated", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"x\""));
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
            assert_eq!(negotiates_connection(&headers), found, "{value}");
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]);
            assert_eq!(authenticates_connection(&headers), found, "{value}");
        }
    }

    #[test]
    fn keep_alive_is_read() {
        for (value, timeout) in [
            ("timeout=5", Some(4_000)),
            ("max=100, Timeout = 10", Some(8_000)),
            ("timeout=\"1\"", Some(800)),
            ("timeout=0", Some(0)),
            ("timeout=-1", None),
            ("timeout=1.5", None),
            ("timeout", None),
            ("max=5", None),
        ] {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("keep-alive"),
                HeaderValue::from_static(value),
            )]);
            assert_eq!(keep_alive(&headers), timeout.map(Duration::from_millis), "{value}");
        }
    }
}
