//! The head of a copy of a request.

use http::Request;

use super::passing::Passing;
use super::rewrite::rewrite;
use super::rewritten::{ForwardPrefix, Rewritten, forwards_prefix};
use crate::handle::Upstream;

impl Passing<'_> {
    /// Returns the head of `request`, for a copy of it.
    pub(crate) fn head<B>(request: &Request<B>) -> Request<()> {
        let mut head = Request::new(());
        head.method_mut().clone_from(request.method());
        head.uri_mut().clone_from(request.uri());
        head.headers_mut().clone_from(request.headers());
        if forwards_prefix(request.extensions()) {
            head.extensions_mut().insert(ForwardPrefix);
        }
        head
    }

    /// Points `head` at `upstream`, as it is done with a request. `None`: the request is refused.
    pub(crate) fn point(&self, mut head: Request<()>, upstream: &Upstream) -> Option<Request<()>> {
        // The report is for the response, which nobody gets.
        let _ = Rewritten::prepare(&mut head, upstream, self.strip);
        rewrite(&mut head, upstream, self.strip, self.host).ok()?;
        head.extensions_mut().clear();
        Some(head)
    }
}
