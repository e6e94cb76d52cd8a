//! The protocols of a connection.

/// The protocols that are offered to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the pool offers each of them")]
pub(crate) enum Offer {
    Http1,
    /// Without TLS by prior knowledge.
    Http2,
    /// The backend chooses, by ALPN. HTTP/1.1 without TLS.
    Negotiate,
}

/// The protocol that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}
