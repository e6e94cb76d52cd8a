//! Cookies as they were received, byte for byte (RFC 6265, section 4.2.1).
//!
//! Nothing is decoded: what a key or a signature covers must be the bytes that the backend gets.

use http::HeaderMap;
use http::header::COOKIE;

/// Iterates over the cookies of a request, each as `name=value`.
pub(super) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(COOKIE).iter().flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
}

/// Returns the value in `pair` if the name of the cookie is `name`.
///
/// White space around the name is ignored, since backends read `name =value` like `name=value`.
pub(super) fn value<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (found, value) = pair.split_at_checked(pair.iter().position(|byte| *byte == b'=')?)?;
    (found.trim_ascii() == name.as_bytes()).then(|| value[1..].trim_ascii_end())
}
