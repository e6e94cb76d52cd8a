//! Cookies as they were sent, byte for byte (RFC 6265, section 4.2.1).

use http::HeaderMap;
use http::header::COOKIE;

/// The cookies of a request, each as `name=value`.
pub(super) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(COOKIE).iter().flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
}

/// The value in `pair`, if the cookie is called `name`.
pub(super) fn value<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}
