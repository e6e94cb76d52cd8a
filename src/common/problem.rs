//! Responses that the crate makes by itself: problem documents (RFC 9457), or a status that gRPC clients read.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

/// A kind of problem, with the same response each time. It holds nothing internal and nothing that the client sent.
#[derive(Debug)]
pub(crate) struct StaticProblem {
    pub(crate) status: StatusCode,
    pub(crate) grpc_status: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) document: &'static str,
}

/// Makes a `&'static StaticProblem` from its status as a name and as a number, its gRPC status, its type, title and detail.
macro_rules! problem {
    ($status:ident $number:literal, grpc $grpc:literal, $type:literal, $title:literal, $detail:literal) => {
        &$crate::common::problem::StaticProblem {
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

impl StaticProblem {
    /// Returns the problem document, or a trailers-only response where the client speaks gRPC.
    pub(crate) fn response(&self, is_grpc: bool) -> Response<Bytes> {
        let text = if is_grpc { "" } else { self.document };
        let mut response = Response::new(Bytes::from_static(text.as_bytes()));
        let headers = response.headers_mut();
        if is_grpc {
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
