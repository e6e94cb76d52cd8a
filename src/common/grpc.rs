//! The media type of gRPC.

use http::header::{CONTENT_TYPE, HeaderMap};

/// Returns whether these are the headers of a gRPC request or response: `application/grpc`, alone or with a suffix such as
/// `+proto`, but not `application/grpc-web`.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let rest = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}
