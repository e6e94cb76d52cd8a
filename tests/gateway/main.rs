//! The gateway example as a process, over real sockets.
//!
//! `cargo build --example gateway && cargo nextest run --test gateway`
#![expect(clippy::disallowed_methods, reason = "tests spawn")]
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]
#![allow(dead_code, reason = "the campaigns use more of the helpers")]

mod affinity;
mod attacks;
mod backends;
mod drain;
mod grpc;
mod handovers;
mod harness;
mod http2;
mod lifecycle;
mod limits;
mod logged;
mod logs;
mod overriding;
mod recorded;
mod refusals;
mod replicas;
mod rewriting;
mod smuggling;
mod soak;
mod sockets;
mod splits;
mod story;
mod streams;
mod traffic;
mod tunnels;
mod versions;
#[path = "../shared/wait.rs"]
mod wait;
mod wire;
