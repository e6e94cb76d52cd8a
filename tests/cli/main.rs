//! The program `canary` as a process, against a gateway as a process.
//!
//! `cargo build --all-features --examples && cargo test --all-features --test cli`
//!
//! The sessions in `*.md` are the manual of the program as well: each one runs, line by line.
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]
#![allow(dead_code, reason = "the harness of the gateway has more")]
#![allow(clippy::disallowed_methods, reason = "the harness spawns")]

#[path = "../shared/addresses.rs"]
mod addresses;
mod backends;
#[path = "../campaigns/cluster.rs"]
mod cluster;
mod codes;
mod examples;
#[path = "../gateway/harness.rs"]
mod harness;
mod hostile;
mod image;
#[path = "../gateway/launch.rs"]
mod launch;
mod program;
mod recipes;
mod retries;
mod rollouts;
mod scripted;
mod sessions;
mod stored;
mod streams;
mod tls;
#[path = "../shared/wait.rs"]
mod wait;
