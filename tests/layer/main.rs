//! The layer as an application uses it: over mocks that check readiness, over real clients and real sockets.
#![expect(clippy::disallowed_methods, reason = "the rule about locks is for the library")]
#![expect(clippy::unwrap_used, reason = "a test stops where it is wrong")]

mod affinity;
mod allocations;
mod choosing;
mod clients;
mod composition;
#[cfg(feature = "failover")]
mod failover;
mod in_flight;
#[path = "../shared/log.rs"]
mod log;
mod overriding;
#[cfg(feature = "pin")]
mod pins;
mod rejections;
mod rewriting;
mod support;
mod targets;
mod traffic;
