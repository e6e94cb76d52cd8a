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
        (Some(host), Some(authority)) => host.eq_ignore_ascii_case(authority),
        (Some(_), None) => true,
        (None, Some(_)) => head.version != Version::HTTP_11,
        (None, None) => head.version == Version::HTTP_10,
    };
    !has_second_host && has_http_scheme(head) && agree && host.into_iter().chain(authority).all(is_host)
}

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
