//! Where a request is sent.

use std::sync::Arc;

use http::HeaderValue;
use http::uri::{Authority, Scheme};

use crate::routing::Backend;

/// The parts of a base URL that a request needs, ready to be cloned into it.
///
/// One exists per shard. The parts are reference-counted, and two threads that clone the same authority contend for its
/// count: on two threads that alone cost as much as the rest of the request.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    /// The `Host` header for the backend.
    pub(crate) host: HeaderValue,
    /// Empty, or a path that starts with `/` and does not end with one.
    pub(crate) base_path: Arc<str>,
}

impl Upstream {
    /// Creates the upstream of `backend` for the shard with the number `shard`.
    pub(crate) fn new(backend: &Backend, shard: usize) -> Self {
        let mut authority = backend.authority().clone();
        let mut host = backend.host_header().clone();
        if shard > 0 {
            // Parsing allocates a buffer for this shard, where `clone` would share the one of the first shard.
            authority = authority.as_str().parse().unwrap_or(authority);
            host = HeaderValue::from_bytes(host.as_bytes()).unwrap_or(host);
        }
        Self { scheme: backend.scheme().clone(), authority, host, base_path: backend.shared_base_path() }
    }
}
