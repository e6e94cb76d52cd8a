//! The checks of a request head, and the fields that are removed before a backend sees it.

use http::header::{CONTENT_LENGTH, COOKIE, HeaderMap, HeaderValue, TE, TRANSFER_ENCODING};
use http::{Method, Version, request};

use super::fields::{has_element, join_lines, remove_where};
use super::framing::{has_supported_coding, merge_content_lengths};
use super::hop_by_hop::strip_hop_by_hop;
use super::host::has_unambiguous_host;
use super::problems;
use super::scan::{HeaderScan, has_underscore};
use crate::common::problem::StaticProblem;

/// Rejects requests that two implementations could read differently, and those that are not supported.
pub(super) fn check_request(
    head: &mut request::Parts,
    scan: HeaderScan,
) -> Result<(), &'static StaticProblem> {
    if head.method == Method::CONNECT || !has_supported_coding(&head.headers, scan) {
        return Err(problems::NOT_IMPLEMENTED);
    }
    if !merge_content_lengths(&mut head.headers, scan) {
        return Err(problems::MALFORMED_BODY);
    }
    if has_unambiguous_host(head) { Ok(()) } else { Err(problems::AMBIGUOUS_HOST) }
}

/// Returns whether the head has more than `max` fields.
///
/// The crumbs of a cookie over HTTP/2 (RFC 9113, 8.2.3) are one field, as over HTTP/1.1.
pub(super) fn has_too_many_fields(headers: &HeaderMap, max: usize) -> bool {
    headers.len() > max && headers.len() - headers.get_all(COOKIE).iter().skip(1).count() > max
}

/// Sends `Content-Length: 0` with a method that defines content, for a request without any (RFC 9110, 8.6).
///
/// Over HTTP/2 such a request needs no length, but some servers respond 411 to it over HTTP/1.1.
pub(super) fn announce_empty_body(head: &mut request::Parts) {
    if matches!(head.method, Method::POST | Method::PUT | Method::PATCH) {
        head.headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
    }
}

/// Announces a body without a length as chunked, with a method that rarely has a body.
///
/// hyper's client sends no body with these methods unless the head announces one, and reports no error: the backend would
/// get another request than the client sent. Over HTTP/2 hyper removes the field again.
pub(super) fn announce_chunked_body(head: &mut request::Parts) {
    if matches!(head.method, Method::GET | Method::HEAD) && !head.headers.contains_key(CONTENT_LENGTH) {
        head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Removes the fields that a backend must not see, and converts cookies of HTTP/2 to HTTP/1.1.
pub(super) fn strip_for_backend(head: &mut request::Parts, scan: HeaderScan) {
    let accepts_trailers = scan.te && has_element(&head.headers, TE, "trailers");
    strip_hop_by_hop(&mut head.headers, scan);
    if scan.underscore {
        // Some backends read `_` as `-`: `X_Real_IP` would pass for a field that is checked here.
        remove_where(&mut head.headers, has_underscore);
    }
    if accepts_trailers {
        head.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if head.version == Version::HTTP_2 {
        join_cookies(&mut head.headers);
    }
}

/// Joins several `Cookie` fields, which HTTP/2 allows and HTTP/1.1 does not (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let has_several = headers.get_all(COOKIE).iter().nth(1).is_some();
    if has_several && let Some(cookies) = join_lines(headers, &COOKIE, b"; ") {
        headers.insert(COOKIE, cookies);
    }
}
