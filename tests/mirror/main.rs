//! Copies of requests, over mocks and over real sockets.
#![expect(clippy::disallowed_methods, reason = "the rule about locks and tasks is for the library")]
#![expect(clippy::unwrap_used, reason = "a test stops where it is wrong")]

mod bodies;
mod counts;
mod draining;
#[cfg(feature = "failover")]
mod failover;
mod hanging;
#[cfg(feature = "metrics")]
mod metrics;
mod mocks;
mod selection;
mod support;
mod wire;
