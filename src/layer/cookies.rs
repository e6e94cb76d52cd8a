//! Cookies as they were sent, byte for byte (RFC 6265, section 4.2.1).

use http::HeaderMap;
use http::header::COOKIE;

/// The cookies of a request, each as `name=value`.
pub(super) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(COOKIE).iter().flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
}

/// The value in `pair`, if the cookie is called `name`. Space around the name is no part of it: backends read `name =value`
/// as they read `name=value`.
pub(super) fn value<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (before, value) = pair.split_at_checked(pair.iter().position(|byte| *byte == b'=')?)?;
    (before.trim_ascii() == name.as_bytes()).then(|| value[1..].trim_ascii_end())
}
