//! What this crate answers by itself: problem documents (RFC 9457), or what gRPC clients read.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Response, StatusCode};

use super::body::ResponseBody;

/// A kind of problem: the same answer each time. Nothing internal is in it, nor anything that the client sent.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) grpc_status: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) document: &'static str,
}

/// `&'static Problem` from its status as a name and as a number, its status in gRPC, its type, title and detail.
macro_rules! problem {
    ($status:ident $number:literal, grpc $grpc:literal, $type:literal, $title:literal, $detail:literal) => {
        &$crate::layer::Problem {
            status: http::StatusCode::$status,
            grpc_status: stringify!($grpc),
            kind: $type,
            document: concat!(
                r#"{"type":""#,
                $type,
                r#"","title":""#,
                $title,
                r#"","status":"#,
                $number,
                r#","detail":""#,
                $detail,
                r#""}"#
            ),
        }
    };
}
pub(crate) use problem;

impl Problem {
    /// The problem document, or a trailers-only gRPC response.
    pub(crate) fn response<B>(&self, grpc: bool) -> Response<ResponseBody<B>> {
        let text = if grpc { "" } else { self.document };
        let mut response = Response::new(ResponseBody::of_bytes(Bytes::from_static(text.as_bytes())));
        let headers = response.headers_mut();
        if grpc {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert("grpc-status", HeaderValue::from_static(self.grpc_status));
            headers.insert("grpc-message", HeaderValue::from_static(self.kind));
        } else {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
            *response.status_mut() = self.status;
        }
        response
    }
}

/// Whether these are the headers of a gRPC call or of its answer.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let rest = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}
