//! The destination of a connection.

use http::Uri;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};

/// The destination of a connection, and whether by TLS.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Target {
    pub(in crate::upstream) tls: bool,
    pub(in crate::upstream) authority: Authority,
}

impl Target {
    /// Returns the URI for the connector of hyper-util, which reads the scheme and the authority alone.
    pub(super) fn uri(&self) -> Uri {
        let mut parts = Parts::default();
        parts.scheme = Some(if self.tls { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        // A URI with all three parts is valid. The default has no host, which the connector refuses.
        Uri::from_parts(parts).unwrap_or_default()
    }
}
