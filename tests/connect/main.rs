//! Connections to backends, over real sockets.
#![expect(clippy::disallowed_methods, reason = "tests spawn")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it unwraps")]

#[cfg(feature = "client-tls")]
#[expect(dead_code, reason = "PEM has tests elsewhere")]
#[path = "../shared/certificates.rs"]
mod certificates;
mod early;
#[cfg(feature = "client-tls")]
mod tls;
