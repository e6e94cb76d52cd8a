//! Which headers end at the proxy.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Method, Version, request};

use super::origin::CLAIMS;
use super::problems;
use crate::common::problem::Problem;
use crate::layer::OVERRIDE_REFUSED;

/// Headers for this connection alone (RFC 9110, 7.6.1), besides those that `Connection` names.
///
/// `Trailer` is not among them: it announces the trailers, and without it none are sent on.
static HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "proxy-authenticate",
    "proxy-authorization",
];

/// Headers that are for everybody on the way, whatever `Connection` says: the host, and what the layer tells clients.
static EVERYBODYS: [HeaderName; 3] = [header::HOST, header::SET_COOKIE, OVERRIDE_REFUSED];

/// Headers that have no meaning in trailers, or another one than where they are looked for (RFC 9110, 6.5.1).
static NO_TRAILERS: [&str; 9] = [
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "set-cookie",
    "trailer",
    "via",
];

/// Which headers are there that a proxy has to look at. Most requests and answers have few, and are looked through once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) connection: bool,
    pub(super) via: bool,
    /// Any of [`CLAIMS`].
    pub(super) claims: bool,
    te: bool,
    transfer_encoding: bool,
    content_length: bool,
    pub(super) content_type: bool,
    /// Any of [`HOP_BY_HOP`] but `Connection`, which is the one that most have.
    hop_by_hop: bool,
    underscore: bool,
}

impl Found {
    pub(super) fn among(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for name in headers.keys() {
            found.add(name.as_str());
        }
        found
    }

    fn add(&mut self, name: &str) {
        match name {
            "host" => {}
            "connection" => self.connection = true,
            "content-length" => self.content_length = true,
            "content-type" => self.content_type = true,
            "via" => self.via = true,
            name if HOP_BY_HOP.contains(&name) => {
                self.hop_by_hop = true;
                self.te |= name == "te";
                self.transfer_encoding |= name == "transfer-encoding";
            }
            name => {
                self.claims |= CLAIMS.contains(&name);
                self.underscore |= has_underscore(name);
            }
        }
    }
}

fn has_underscore(name: &str) -> bool {
    name.as_bytes().contains(&b'_')
}

/// Refuses what could be read in two ways, and what is not served.
pub(super) fn check(head: &mut request::Parts, found: Found) -> Result<(), &'static Problem> {
    if head.method == Method::CONNECT || !is_framed_clearly(&head.headers, found) {
        return Err(problems::NOT_IMPLEMENTED);
    }
    if !settle_length(&mut head.headers, found) {
        return Err(problems::MALFORMED_BODY);
    }
    if host_is_clear(head) { Ok(()) } else { Err(problems::AMBIGUOUS_HOST) }
}

/// Leaves of a request's headers what a backend may see.
pub(super) fn to_backend(head: &mut request::Parts, found: Found) {
    let trailers_wanted = found.te && names(&head.headers, header::TE, "trailers");
    strip_hop_by_hop(&mut head.headers, found);
    if found.underscore {
        // Backends that read `_` as `-` would take them for others.
        remove(&mut head.headers, has_underscore);
    }
    if trailers_wanted {
        head.headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if head.version == Version::HTTP_2 {
        join_cookies(&mut head.headers);
    }
}

/// Removes what is for one connection alone, from a request or an answer.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap, found: Found) {
    if found.connection {
        strip_named(headers);
        headers.remove(header::CONNECTION);
    }
    if found.transfer_encoding {
        // It says how long the body is, whatever else does (RFC 9112, 6.3).
        headers.remove(header::CONTENT_LENGTH);
    }
    if found.hop_by_hop {
        remove(headers, |name| HOP_BY_HOP.contains(&name));
    }
}

/// Removes the headers that `Connection` names.
fn strip_named(headers: &mut HeaderMap) {
    // What most say is among those that end here anyway.
    let named =
        elements(headers, header::CONNECTION).filter(|name| !name.eq_ignore_ascii_case(b"keep-alive"));
    let named: Vec<_> = named.filter_map(|name| HeaderName::from_bytes(name).ok()).collect();
    for name in named.iter().filter(|name| !EVERYBODYS.contains(name)) {
        headers.remove(name);
    }
}

/// Leaves of a request's trailers what a backend may see.
pub(super) fn trailers_to_backend(trailers: &mut HeaderMap) {
    remove(trailers, |name| may_not_trail(name) || has_underscore(name));
}

/// Leaves of an answer's trailers what a client may see: the metadata of gRPC may have `_`.
pub(super) fn trailers_to_client(trailers: &mut HeaderMap) {
    remove(trailers, may_not_trail);
}

fn may_not_trail(name: &str) -> bool {
    HOP_BY_HOP.contains(&name) || NO_TRAILERS.contains(&name) || CLAIMS.contains(&name)
}

/// Makes several equal lengths one (RFC 9110, 8.6). `false` where they differ, or are none.
pub(super) fn settle_length(headers: &mut HeaderMap, found: Found) -> bool {
    if !found.content_length {
        return true;
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return true };
    let digits = length.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let is_number = digits.is_some_and(|digits| digits.parse::<u64>().is_ok());
    let Some(second) = lengths.next() else { return is_number };
    if !is_number || second != length || lengths.any(|other| other != length) {
        return false;
    }
    let length = length.clone();
    headers.insert(header::CONTENT_LENGTH, length);
    true
}

/// Removes the headers that `ends` says of: most requests have none, and are looked through once.
pub(super) fn remove(headers: &mut HeaderMap, ends: impl Fn(&str) -> bool) {
    let names: Vec<_> = headers.keys().filter(|name| ends(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Whether the body's framing is one that both sides read alike: of transfer codings, `chunked` alone.
pub(super) fn is_framed_clearly(headers: &HeaderMap, found: Found) -> bool {
    if !found.transfer_encoding {
        return true;
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}

/// The elements of a header that is a list, over all its lines.
pub(super) fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(name).into_iter();
    let elements = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Whether the list of the header has `element`.
pub(super) fn names(headers: &HeaderMap, name: HeaderName, element: &str) -> bool {
    elements(headers, name).any(|named| named.eq_ignore_ascii_case(element.as_bytes()))
}

/// Whether the request names one host, by http or https (RFC 9112, 3.2; RFC 9113, 8.3.1). Only HTTP/1.0 may name none.
fn host_is_clear(head: &request::Parts) -> bool {
    let mut hosts = head.headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    let (host, second) = (hosts.next(), hosts.next());
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let by_http = head.uri.scheme().is_none_or(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
    let agreed = match (host, authority) {
        (Some(host), Some(authority)) => host.eq_ignore_ascii_case(authority),
        (Some(_), None) => true,
        (None, Some(_)) => head.version != Version::HTTP_11,
        (None, None) => head.version == Version::HTTP_10,
    };
    second.is_none() && by_http && agreed && host.into_iter().chain(authority).all(is_host)
}

/// Whether `text` is a host and perhaps a port: no user information, nothing that a backend would have to escape.
fn is_host(text: &[u8]) -> bool {
    is_plain_host(text) || (!text.contains(&b'@') && Authority::try_from(text).is_ok())
}

/// Whether `text` is a host as most are, a name or an address of IPv4: that is seen without a copy.
fn is_plain_host(text: &[u8]) -> bool {
    let colon = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
    let (name, port) = text.split_at(colon);
    let is_plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-');
    !name.is_empty() && name.iter().all(is_plain) && port.iter().skip(1).all(u8::is_ascii_digit)
}

/// HTTP/2 may split cookies over headers, HTTP/1 may not (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let split = headers.get_all(header::COOKIE).iter().nth(1).is_some();
    if split && let Some(cookies) = joined(headers, &header::COOKIE, b"; ") {
        headers.insert(header::COOKIE, cookies);
    }
}

/// The values of a header as one; `None` without any.
pub(super) fn joined(headers: &HeaderMap, name: &HeaderName, between: &[u8]) -> Option<HeaderValue> {
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if values.is_empty() { None } else { HeaderValue::from_bytes(&values.join(between)).ok() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_host_that_is_seen_without_a_copy_is_one(text in "[a-z0-9.:-]{0,6}|[ -~]{0,8}") {
            prop_assert!(!is_plain_host(text.as_bytes()) || Authority::try_from(text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn most_hosts_are_seen_without_a_copy() {
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
