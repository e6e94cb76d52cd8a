//! Responses that the crate makes by itself: problem documents (RFC 9457), or a status that gRPC clients read.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};

/// A kind of problem, with the same response each time. It holds nothing internal and nothing that the client sent.
#[derive(Debug)]
pub(crate) struct StaticProblem {
    pub(crate) status: StatusCode,
    pub(crate) grpc_status: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) document: &'static str,
}

/// How a problem is sent, by the request that it responds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProblemForm {
    /// The problem document.
    Document,
    /// The head of the document without content, for `HEAD` (RFC 9110, 9.3.2). hyper drops the content for HTTP/1.1 only.
    Head,
    /// A status in the headers, for gRPC.
    Grpc,
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

impl ProblemForm {
    /// Returns the form for a request with this method.
    pub(crate) fn new(method: &Method, is_grpc: bool) -> Self {
        match is_grpc {
            true => Self::Grpc,
            false if method == Method::HEAD => Self::Head,
            false => Self::Document,
        }
    }
}

impl StaticProblem {
    /// Returns the problem in this form.
    pub(crate) fn response(&self, form: ProblemForm) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        if form == ProblemForm::Grpc {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert("grpc-status", HeaderValue::from_static(self.grpc_status));
            headers.insert("grpc-message", HeaderValue::from_static(self.kind));
            return response;
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if form == ProblemForm::Head {
            // With content, servers add the length. Without, it is the length that `GET` would get.
            headers.insert(CONTENT_LENGTH, self.document.len().into());
        } else {
            *response.body_mut() = Bytes::from_static(self.document.as_bytes());
        }
        *response.status_mut() = self.status;
        response
    }
}
