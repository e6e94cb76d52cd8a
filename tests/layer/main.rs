//! The layer as an application uses it: over mocks that check readiness, over real clients and real sockets.
#![expect(clippy::disallowed_methods, reason = "the rule about locks is for the library")]
#![expect(clippy::unwrap_used, reason = "a test stops where it is wrong")]

#[path = "../shared/addresses.rs"]
mod addresses;
mod affinity;
mod allocations;
mod choosing;
mod clients;
mod composition;
mod draining;
#[cfg(feature = "failover")]
mod failover;
mod grpc;
mod in_flight;
mod instances;
#[path = "../shared/log.rs"]
mod log;
mod outcomes;
mod overriding;
#[cfg(feature = "pin")]
mod pin_caching;
#[cfg(feature = "pin")]
mod pin_forgeries;
#[cfg(feature = "pin")]
mod pins;
mod rejections;
mod rewriting;
#[path = "../shared/scripted_check.rs"]
mod scripted_check;
mod shedding;
mod support;
mod targets;
mod traffic;
