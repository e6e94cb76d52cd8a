//! The head of a copy of a request.

use http::Request;

use super::forward_context::ForwardContext;
use super::rewrite::rewrite;
use super::rewritten::{ForwardPrefix, Rewritten, forwards_prefix};
use crate::handle::Upstream;

impl ForwardContext<'_> {
    /// Copies the head of `request`, which must not be rewritten yet. Of its extensions, a copy needs [`ForwardPrefix`]
    /// alone.
    pub(crate) fn copied_head<B>(request: &Request<B>) -> Request<()> {
        let mut head = Request::new(());
        head.method_mut().clone_from(request.method());
        head.uri_mut().clone_from(request.uri());
        head.headers_mut().clone_from(request.headers());
        if forwards_prefix(request.extensions()) {
            head.extensions_mut().insert(ForwardPrefix);
        }
        head
    }

    /// Points `head` at `upstream`, as the request itself is pointed at its instance. `None`: a request with this head
    /// would be rejected there.
    pub(crate) fn point_at(&self, mut head: Request<()>, upstream: &Upstream) -> Option<Request<()>> {
        // The report is for the response, and the one to a copy is dropped.
        let _ = Rewritten::prepare(&mut head, upstream, self.strip);
        rewrite(&mut head, upstream, self.strip, self.host).ok()?;
        head.extensions_mut().clear();
        Some(head)
    }
}
