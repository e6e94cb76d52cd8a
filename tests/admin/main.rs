//! The admin API from outside: through the router, and over sockets for the tests of probes.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and spawns its own backends"
)]

mod api;
mod audit;
mod auth;
#[path = "../shared/faulty_store.rs"]
mod faulty_store;
mod hostile;
mod keys;
#[path = "../shared/log.rs"]
mod log;
mod malformed;
mod previews;
mod probing;
mod problems;
mod replicas;
#[path = "../shared/scripted_check.rs"]
mod scripted_check;
mod support;
mod traffic;
mod wire;
