//! The host of a request: rules, caches and backends must not read different ones.

use http::header::{HOST, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Version, request};

/// Returns whether the request has exactly one host, for http or https (RFC 9112, 3.2; RFC 9113, 8.3.1).
///
/// Only HTTP/1.0 requests may lack one.
pub(super) fn has_unambiguous_host(head: &request::Parts) -> bool {
    let mut hosts = head.headers.get_all(HOST).iter().map(HeaderValue::as_bytes);
    let host = hosts.next();
    let has_second_host = hosts.next().is_some();
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let agree = match (host, authority) {
        (Some(host), Some(authority)) => is_same_authority(host, authority, default_port(head.uri.scheme())),
        (Some(_), None) => true,
        (None, Some(_)) => head.version != Version::HTTP_11,
        (None, None) => head.version == Version::HTTP_10,
    };
    !has_second_host && has_http_scheme(head) && agree && host.into_iter().chain(authority).all(is_host)
}

/// Returns the port of a URL with this scheme that names none.
pub(super) fn default_port(scheme: Option<&Scheme>) -> u16 {
    if scheme == Some(&Scheme::HTTPS) { 443 } else { 80 }
}

/// Returns whether two authorities are the same one (RFC 9110, 4.2.3): letter case does not count, nor does a port that
/// is empty or the default one.
pub(super) fn is_same_authority(one: &[u8], other: &[u8], default_port: u16) -> bool {
    if one.eq_ignore_ascii_case(other) {
        return true;
    }
    let (one, one_port) = split_port(one);
    let (other, other_port) = split_port(other);
    let port = port_number(one_port, default_port);
    one.eq_ignore_ascii_case(other) && port.is_some() && port == port_number(other_port, default_port)
}

/// Returns whether a browser reads a host at the start of a path: it takes `\` for `/`, and ignores tabs and line breaks
/// (WHATWG URL, 4.4).
pub(super) fn begins_with_host(path: &str) -> bool {
    let mut start = path.bytes().filter(|byte| !matches!(byte, b'\t' | b'\r' | b'\n'));
    let [first, second] = [start.next(), start.next()];
    [first, second].into_iter().all(|byte| matches!(byte, Some(b'/' | b'\\')))
}

/// Splits off the text of the port. The colons of an IPv6 address are in brackets.
fn split_port(authority: &[u8]) -> (&[u8], &[u8]) {
    match authority.iter().rposition(|byte| matches!(byte, b':' | b']')) {
        Some(at) if authority[at] == b':' => (&authority[..at], &authority[at + 1..]),
        _ => (authority, b""),
    }
}

/// Parses a port. An empty one is the default of the scheme (RFC 3986, 3.2.3).
fn port_number(text: &[u8], default: u16) -> Option<u16> {
    if text.is_empty() {
        return Some(default);
    }
    // `u16::from_str` would also take a sign.
    std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

/// Returns whether the URI has no scheme, or one that the proxy serves.
fn has_http_scheme(head: &request::Parts) -> bool {
    head.uri.scheme().is_none_or(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS)
}

/// Returns whether `text` is a host with an optional port: no user information, and nothing that a
/// backend would have to escape.
fn is_host(text: &[u8]) -> bool {
    is_plain_host(text) || (!text.contains(&b'@') && Authority::try_from(text).is_ok())
}

/// Returns whether `text` is a name or an IPv4 address with an optional port.
///
/// That is a fast path for almost all requests: [`Authority`] would copy the text.
fn is_plain_host(text: &[u8]) -> bool {
    let colon = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
    let (name, port) = text.split_at(colon);
    !name.is_empty() && name.iter().all(is_name_byte) && port.iter().skip(1).all(u8::is_ascii_digit)
}

/// Returns whether a byte may stand in a host name.
const fn is_name_byte(byte: &u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn plain_host_is_a_valid_authority(text in "[a-z0-9.:-]{0,6}|[ -~]{0,8}") {
            prop_assert!(!is_plain_host(text.as_bytes()) || Authority::try_from(text.as_bytes()).is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn default_port_does_not_count(name in "[a-z][a-z0-9.-]{0,8}|\\[[0-9a-f:]{2,8}\\]", port in 1_u16..) {
            let same = |one: &str, other: &str| is_same_authority(one.as_bytes(), other.as_bytes(), port);
            let spellings =
                [name.clone(), format!("{name}:"), format!("{name}:{port}"), format!("{}:0{port}", name.to_uppercase())];
            for (one, other) in spellings.iter().zip(spellings.iter().cycle().skip(1)) {
                prop_assert!(same(one, other), "{one} {other}");
            }
            for spelling in &spellings {
                prop_assert!(!same(spelling, &format!("{name}:{}", port ^ 1)), "{spelling}");
                prop_assert!(!same(spelling, &format!("x{name}")), "{spelling}");
            }
        }
    }

    #[test]
    fn other_authorities_differ() {
        for other in
            ["shop:81", "shop:+80", "shop:http", "shop:80:80", "a@shop", "sho", "shop.", ":80", "[shop]:80"]
        {
            assert!(!is_same_authority(b"shop", other.as_bytes(), 80), "{other}");
        }
    }

    #[test]
    fn common_hosts_are_plain() {
        for (text, plain) in
            [("a", true), ("Shop-1.example.com", true), ("127.0.0.1:8080", true), ("a:", true)]
        {
            assert_eq!((is_plain_host(text.as_bytes()), is_host(text.as_bytes())), (plain, true), "{text}");
        }
        for text in ["", ":80", "[::1]", "a:b", "a:1:2", "a@b", "a_b"] {
            assert!(!is_plain_host(text.as_bytes()), "{text}");
        }
    }
}
