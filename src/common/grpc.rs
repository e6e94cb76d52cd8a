//! The media type of gRPC.

use http::header::{CONTENT_TYPE, HeaderMap};

const MEDIA_TYPE: &[u8] = b"application/grpc";

/// Returns whether these are the headers of a gRPC request or response: `application/grpc`, alone or with a suffix such as
/// `+proto`, but not `application/grpc-web`.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let value =
        headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().split_at_checked(MEDIA_TYPE.len()));
    // Media types have no case, and white space may precede parameters (RFC 9110, section 8.3.1).
    value.is_some_and(|(start, rest)| {
        start.eq_ignore_ascii_case(MEDIA_TYPE)
            && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
    })
}
