//! Fields that end at the proxy, in headers and in trailers, of requests and of responses.

use http::header::{self, HeaderMap, HeaderName};

use super::fields::{FORWARDING_HEADERS, elements, remove_where};
use super::scan::{HOP_BY_HOP, HeaderScan, has_underscore};
use crate::layer::OVERRIDE_REFUSED;

/// Fields that `Connection` cannot remove, beside [`FORWARDING_HEADERS`]: those that the proxy or the layer reads or
/// writes.
///
/// A proxy in front may pass on the `Connection` of its client, which names what that proxy adds.
static END_TO_END: [HeaderName; 11] = [
    header::AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::HOST,
    header::LOCATION,
    header::MAX_FORWARDS,
    header::SET_COOKIE,
    header::VIA,
    OVERRIDE_REFUSED,
];

/// Fields that are not allowed in trailers, because their meaning depends on their place (RFC 9110, 6.5.1).
static NOT_IN_TRAILERS: [&str; 10] = [
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "max-forwards",
    "set-cookie",
    "trailer",
    "via",
];

/// Removes the fields that are for one connection only, from a request or a response. `scan` is of these headers.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap, scan: HeaderScan) {
    if scan.connection {
        strip_connection_options(headers);
        headers.remove(header::CONNECTION);
    }
    if scan.transfer_encoding {
        // The transfer coding overrides any length (RFC 9112, 6.3).
        headers.remove(header::CONTENT_LENGTH);
    }
    if scan.hop_by_hop {
        remove_where(headers, |name| HOP_BY_HOP.contains(&name));
    }
}

/// Removes the fields that `Connection` lists, except those that are end-to-end.
fn strip_connection_options(headers: &mut HeaderMap) {
    // `keep-alive` is what almost all clients send. It is removed with the other hop-by-hop fields.
    let options =
        elements(headers, header::CONNECTION).filter(|name| !name.eq_ignore_ascii_case(b"keep-alive"));
    let names: Vec<_> = options.filter_map(|name| HeaderName::from_bytes(name).ok()).collect();
    for name in names.iter().filter(|name| !is_end_to_end(name)) {
        headers.remove(name);
    }
}

/// Returns whether `Connection` may not remove the field.
fn is_end_to_end(name: &HeaderName) -> bool {
    END_TO_END.contains(name) || FORWARDING_HEADERS.contains(&name.as_str())
}

/// Removes the fields that a backend must not see in the trailers of a request.
pub(super) fn clean_request_trailers(trailers: &mut HeaderMap) {
    remove_where(trailers, |name| is_forbidden_in_trailers(name) || has_underscore(name));
}

/// Removes the fields that a client must not see in the trailers of a response.
///
/// Names with `_` stay: metadata of gRPC may have them.
pub(super) fn clean_response_trailers(trailers: &mut HeaderMap) {
    remove_where(trailers, is_forbidden_in_trailers);
}

/// Returns whether a trailer of this name is removed (RFC 9110, 6.5.1).
fn is_forbidden_in_trailers(name: &str) -> bool {
    HOP_BY_HOP.contains(&name) || NOT_IN_TRAILERS.contains(&name) || FORWARDING_HEADERS.contains(&name)
}
