//! Which headers end at the gateway, and which it adds.

use std::net::{IpAddr, SocketAddr};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Method, Version, request};

use crate::problem::Problem;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// What backends are sometimes told by a proxy in front: here nobody is believed.
const CLAIMS: [HeaderName; 4] = [
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-real-ip"),
];
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Headers for this connection alone (RFC 9110, 7.6.1), besides those that `Connection` names.
///
/// `Trailer` is not among them: it announces the trailers, and without it none are sent on.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
];

/// What backends are told of the gateway and of one connection to it.
///
/// Each connection has copies of its own: values shared by all would be a count that all threads write to.
#[derive(Debug)]
pub(crate) struct Hop {
    peer: HeaderValue,
    gateway: Box<str>,
    via_http1: HeaderValue,
    via_http2: HeaderValue,
}

/// A name of the gateway for `Via` (RFC 9110, 7.6.3): drawn at start, so that only its own requests look like a loop.
pub(crate) fn pseudonym() -> String {
    format!("canary-{:016x}", rand::random::<u64>())
}

impl Hop {
    pub(crate) fn new(peer: SocketAddr, gateway: &str) -> Self {
        let address: IpAddr = peer.ip().to_canonical();
        Self {
            peer: value(address.to_string().as_bytes()),
            gateway: gateway.into(),
            via_http1: value(format!("1.1 {gateway}").as_bytes()),
            via_http2: value(format!("2 {gateway}").as_bytes()),
        }
    }

    /// Refuses what could be read in two ways, what is not served, and what has been here before.
    pub(crate) fn check(&self, head: &request::Parts) -> Result<(), Problem> {
        if head.method == Method::CONNECT || !only_chunked(&head.headers) {
            return Err(Problem::NotImplemented);
        }
        if !host_is_clear(head) {
            return Err(Problem::AmbiguousHost);
        }
        let name = self.gateway.as_bytes();
        let ours = |via: &HeaderValue| via.as_bytes().windows(name.len()).any(|part| part == name);
        if head.headers.get_all(header::VIA).iter().any(ours) { Err(Problem::Loop) } else { Ok(()) }
    }

    /// Makes the headers of a request those that a backend may see.
    pub(crate) fn to_backend(&self, head: &mut request::Parts) {
        let trailers_wanted = wants_trailers(&head.headers);
        strip_hop_by_hop(&mut head.headers);
        strip_underscores(&mut head.headers);
        if trailers_wanted {
            head.headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        if head.version == Version::HTTP_2 {
            join_cookies(&mut head.headers);
        }
        self.tell_origin(head);
    }

    /// Who asked, and how. No client is trusted, so what it says of host and protocol is overwritten.
    fn tell_origin(&self, head: &mut request::Parts) {
        let headers = &mut head.headers;
        let host = match head.uri.authority() {
            Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
            None => headers.get(header::HOST).cloned(),
        };
        match host {
            Some(host) => _ = headers.insert(X_FORWARDED_HOST, host),
            None => _ = headers.remove(X_FORWARDED_HOST),
        }
        let addresses = match joined(headers, &X_FORWARDED_FOR, b", ") {
            Some(before) => value(&[before.as_bytes(), b", ", self.peer.as_bytes()].concat()),
            None => self.peer.clone(),
        };
        headers.insert(X_FORWARDED_FOR, addresses);
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
        for claim in CLAIMS {
            headers.remove(claim);
        }
        let via = if head.version == Version::HTTP_2 { &self.via_http2 } else { &self.via_http1 };
        headers.append(header::VIA, via.clone());
    }
}

/// Removes what is for one connection alone, from a request or a response.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Removes headers with `_` in their name: backends that read `_` as `-` would take them for others.
fn strip_underscores(headers: &mut HeaderMap) {
    let names: Vec<_> = headers.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Whether the body's framing is one that both sides read alike.
pub(crate) fn only_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect()
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::TE).iter();
    let mut codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Whether the request names one host, by http or https (RFC 9112, 3.2; RFC 9113, 8.3.1). Only HTTP/1.0 may name none.
fn host_is_clear(head: &request::Parts) -> bool {
    let mut hosts = head.headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    let (host, second) = (hosts.next(), hosts.next());
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let by_http = head.uri.scheme().is_none_or(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
    let agreed = match head.version {
        Version::HTTP_2 => host.is_none_or(|host| authority.is_none_or(|authority| authority == host)),
        Version::HTTP_11 => host.is_some(),
        _ => true,
    };
    let named = authority.is_some() || host.is_some() || head.version == Version::HTTP_10;
    second.is_none()
        && by_http
        && agreed
        && named
        && host.is_none_or(is_host)
        && authority.is_none_or(is_host)
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

fn joined(headers: &HeaderMap, name: &HeaderName, between: &[u8]) -> Option<HeaderValue> {
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if values.is_empty() { None } else { Some(value(&values.join(between))) }
}

/// A value of bytes that are known to be good in a header.
fn value(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(bytes).unwrap_or_else(|_| HeaderValue::from_static(""))
}
