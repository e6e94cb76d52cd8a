//! The gateway example as a process, over real sockets.
//!
//! `cargo build --example gateway && cargo nextest run --test gateway`
#![expect(clippy::disallowed_methods, reason = "tests spawn")]
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]
#![allow(dead_code, reason = "the campaigns use more of the helpers")]

#[path = "../shared/addresses.rs"]
mod addresses;
mod affinity;
mod attacks;
mod backends;
mod balancers;
#[path = "../shared/certificates.rs"]
mod certificates;
mod clients;
mod drain;
mod environment;
mod fleet;
mod grpc;
mod handovers;
mod harness;
mod heads;
mod http2;
mod idle;
mod instances;
mod launch;
mod lifecycle;
mod limits;
mod lingering;
mod logged;
mod logs;
mod notice;
mod overriding;
mod paced;
mod pins;
mod recorded;
mod refusals;
mod replicas;
mod resets;
mod rewriting;
mod rollouts;
mod smuggling;
mod soak;
mod sockets;
mod splits;
mod stalls;
mod story;
mod streams;
mod tls;
mod tls_client;
mod tls_files;
mod tokens;
mod traffic;
mod tunnels;
mod versions;
#[path = "../shared/wait.rs"]
mod wait;
mod wire;
