//! The client for backends, against scripted backends on real sockets.
#![expect(clippy::disallowed_methods, reason = "the rules about locks and spawning are for the library")]
#![expect(clippy::unwrap_used, reason = "a test stops where it is wrong")]

#[cfg(feature = "client-tls")]
#[expect(dead_code, reason = "client certificates and PEM have tests elsewhere")]
#[path = "../shared/certificates.rs"]
mod certificates;
mod frames;
mod http1;
mod http2;
mod kills;
mod lifetimes;
mod limits;
mod queues;
mod refusals;
mod strays;
mod support;
#[cfg(feature = "client-tls")]
mod tls;
mod turns;
mod unread;
#[path = "../shared/wait.rs"]
mod wait;
