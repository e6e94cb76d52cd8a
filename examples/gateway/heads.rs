//! The limits of HTTP/1 for request heads and trailers, applied to HTTP/2. hyper does not limit the number of fields
//! there, and h2 counts their size in another way.

use http::header::COOKIE;
use http::{HeaderMap, Request, Version};

use crate::limits::MAX_BUFFER;

/// The bytes of a header line beside name and value: `: ` and the line break.
const LINE_OVERHEAD: usize = 4;

/// Returns whether an HTTP/2 request has a head that is too large, or too many header fields, for HTTP/1.
pub(crate) fn is_too_large<B>(request: &Request<B>, max_headers: u16) -> bool {
    if request.version() != Version::HTTP_2 {
        return false;
    }
    let headers = request.headers();
    // `:authority` is the `Host` field of HTTP/1.
    let host = request.uri().authority().map_or(0, |host| LINE_OVERHEAD + "host".len() + host.as_str().len());
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let line = request.method().as_str().len() + path + "  HTTP/1.1\r\n".len();
    count(headers) + usize::from(host > 0) > max_headers.into() || line + host + size(headers) > MAX_BUFFER
}

/// Returns whether trailers are too large.
pub(crate) fn are_trailers_too_large(trailers: &HeaderMap) -> bool {
    size(trailers) > MAX_BUFFER
}

/// Returns the number of fields. Parts of a cookie are one field, as they are in HTTP/1 (RFC 9113, 8.2.3).
fn count(headers: &HeaderMap) -> usize {
    let cookies = headers.get_all(COOKIE).iter().count();
    headers.len() - cookies.saturating_sub(1)
}

/// Returns the size that the fields have in HTTP/1.
fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + LINE_OVERHEAD).sum()
}
