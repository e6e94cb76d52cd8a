//! The gateway example as its users meet it: a process, driven over real sockets.
//!
//! `cargo build --example gateway && cargo nextest run --test gateway`
#![expect(clippy::disallowed_methods, reason = "tests spawn")]
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod affinity;
mod backends;
mod drain;
mod harness;
mod lifecycle;
mod limits;
mod refusals;
mod replicas;
mod smuggling;
mod splits;
mod story;
mod wire;
