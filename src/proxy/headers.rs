//! Which headers end at the proxy.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Method, Version, request};

use super::origin::CLAIMS;
use super::problems;
use crate::layer::{OVERRIDE_REFUSED, Problem};

/// Headers for this connection alone (RFC 9110, 7.6.1), besides those that `Connection` names.
///
/// `Trailer` is not among them: it announces the trailers, and without it none are sent on.
static HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
];

/// Headers that are for everybody on the way, whatever `Connection` says: the host, and what the layer tells clients.
static EVERYBODYS: [HeaderName; 3] = [header::HOST, header::SET_COOKIE, OVERRIDE_REFUSED];

/// Headers that have no meaning in trailers, or another one than where they are looked for (RFC 9110, 6.5.1).
static NO_TRAILERS: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::HOST,
    header::SET_COOKIE,
    header::TRAILER,
    header::VIA,
];

/// Which headers are there that a proxy has to look at. Most requests and answers have few, and are looked through once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) connection: bool,
    pub(super) via: bool,
    te: bool,
    transfer_encoding: bool,
    content_length: bool,
    hop_by_hop: bool,
    underscore: bool,
}

impl Found {
    pub(super) fn among(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for name in headers.keys() {
            found.connection |= *name == header::CONNECTION;
            found.via |= *name == header::VIA;
            found.te |= *name == header::TE;
            found.transfer_encoding |= *name == header::TRANSFER_ENCODING;
            found.content_length |= *name == header::CONTENT_LENGTH;
            found.hop_by_hop |= HOP_BY_HOP.contains(name);
            found.underscore |= has_underscore(name);
        }
        found
    }
}

fn has_underscore(name: &HeaderName) -> bool {
    name.as_str().contains('_')
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
    if !found.hop_by_hop {
        return;
    }
    let named = elements(headers, header::CONNECTION).filter_map(|name| HeaderName::from_bytes(name).ok());
    let named: Vec<_> = named.filter(|name| !EVERYBODYS.contains(name)).collect();
    if found.transfer_encoding {
        // It says how long the body is, whatever else does (RFC 9112, 6.3).
        headers.remove(header::CONTENT_LENGTH);
    }
    remove(headers, |name| HOP_BY_HOP.contains(name) || named.contains(name));
}

/// Leaves of a request's trailers what a backend may see.
pub(super) fn trailers_to_backend(trailers: &mut HeaderMap) {
    remove(trailers, |name| may_not_trail(name) || has_underscore(name));
}

/// Leaves of an answer's trailers what a client may see: the metadata of gRPC may have `_`.
pub(super) fn trailers_to_client(trailers: &mut HeaderMap) {
    remove(trailers, may_not_trail);
}

fn may_not_trail(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name) || NO_TRAILERS.contains(name) || CLAIMS.contains(name)
}

/// Makes several equal lengths one (RFC 9110, 8.6). `false` where they differ, or are none.
pub(super) fn settle_length(headers: &mut HeaderMap, found: Found) -> bool {
    if !found.content_length {
        return true;
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next().cloned() else { return true };
    let is_number = length
        .to_str()
        .is_ok_and(|text| text.parse::<u64>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_number || lengths.any(|other| *other != length) {
        return false;
    }
    headers.insert(header::CONTENT_LENGTH, length);
    true
}

/// Removes the headers that `ends` says of: most requests have none, and are looked through once.
pub(super) fn remove(headers: &mut HeaderMap, ends: impl Fn(&HeaderName) -> bool) {
    let names: Vec<_> = headers.keys().filter(|name| ends(name)).cloned().collect();
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
    !text.contains(&b'@') && Authority::try_from(text).is_ok()
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
