//! Where a body ends: both sides of the proxy must agree on it, or requests can be smuggled.

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};

use super::scan::HeaderScan;

/// Replaces several equal `Content-Length` fields by one (RFC 9110, 8.6).
///
/// Returns `false` if they differ or are not numbers. The message must not be forwarded then.
pub(super) fn merge_content_lengths(headers: &mut HeaderMap, scan: HeaderScan) -> bool {
    if !scan.content_length {
        return true;
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return true };
    let is_number = is_number(length);
    let Some(second) = lengths.next() else { return is_number };
    if !is_number || second != length || lengths.any(|other| other != length) {
        return false;
    }
    let length = length.clone();
    headers.insert(CONTENT_LENGTH, length);
    true
}

/// Returns whether `value` is digits alone: `u64::from_str` would also take a sign.
fn is_number(value: &HeaderValue) -> bool {
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.is_some_and(|digits| digits.parse::<u64>().is_ok())
}

/// Returns whether the body has no transfer coding except a single `chunked`.
pub(super) fn has_supported_coding(headers: &HeaderMap, scan: HeaderScan) -> bool {
    if !scan.transfer_encoding {
        return true;
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}
