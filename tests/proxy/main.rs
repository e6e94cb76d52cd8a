//! The reverse proxy around a client: in axum, over real sockets, and as a service of its own.
#![expect(clippy::disallowed_methods, reason = "tests spawn")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it unwraps")]

#[path = "../shared/addresses.rs"]
mod addresses;
mod answers;
mod clients;
mod coalescing;
mod frames;
mod heads;
mod hops;
mod hosts;
mod idle;
#[path = "../shared/log.rs"]
mod log;
mod logs;
mod outcomes;
mod over_reqwest;
mod prefixes;
mod support;
mod upgrades;
mod uploads;
