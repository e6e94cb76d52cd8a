//! The admin API from outside: through the router, and over sockets for the tests of probes.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and spawns its own backends"
)]

mod api;
mod audit;
mod auth;
mod hostile;
mod keys;
#[path = "../shared/log.rs"]
mod log;
mod malformed;
mod previews;
mod probing;
mod problems;
mod replicas;
mod support;
mod traffic;
mod wire;
