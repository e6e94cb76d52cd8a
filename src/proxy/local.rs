//! The responses that the proxy makes by itself.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH};
use http::{HeaderValue, Response, StatusCode};

use crate::common::problem::{ProblemForm, StaticProblem};

/// The methods that pass the proxy without a special setting.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// A response that the proxy makes by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum LocalResponse {
    Problem(&'static StaticProblem),
    /// The options of the proxy, for an `OPTIONS` request that ends here.
    Options,
}

impl From<&'static StaticProblem> for LocalResponse {
    fn from(problem: &'static StaticProblem) -> Self {
        Self::Problem(problem)
    }
}

impl LocalResponse {
    /// Returns the response, with a problem in this form.
    pub(super) fn response(self, form: ProblemForm) -> Response<Bytes> {
        let mut response = match self {
            Self::Problem(problem) => problem.response(form),
            Self::Options => empty(),
        };
        if self.lists_methods() {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
        }
        response
    }

    /// Returns whether the response has `Allow` (RFC 9110, 10.2.1).
    fn lists_methods(self) -> bool {
        match self {
            Self::Problem(problem) => problem.status == StatusCode::METHOD_NOT_ALLOWED,
            Self::Options => true,
        }
    }
}

/// Creates a response without a body.
fn empty() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}
