//! The admin API from outside: through the router, and over sockets for the tests of probes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and spawns its own backends"
)]

#[path = "../shared/addresses.rs"]
mod addresses;
mod api;
mod audit;
mod auth;
mod authenticators;
mod checks;
mod conditional;
mod declared;
mod document;
#[path = "../shared/faulty_store.rs"]
mod faulty_store;
mod health;
mod hostile;
mod instance_traffic;
mod instances;
mod keys;
#[path = "../shared/log.rs"]
mod log;
mod malformed;
mod mirror;
mod observed;
mod previews;
mod probing;
mod problems;
mod records;
mod replicas;
#[cfg(feature = "rollout")]
mod rollout_contract;
#[cfg(feature = "rollout")]
mod rollout_gates;
#[cfg(feature = "rollout")]
mod rollout_plans;
#[cfg(feature = "rollout")]
mod rollout_problems;
#[cfg(feature = "rollout")]
mod rollout_routes;
#[cfg(feature = "rollout")]
mod rollout_streams;
#[cfg(feature = "rollout")]
mod rollout_support;
#[cfg(feature = "rollout")]
mod rollouts;
#[path = "../shared/scripted_check.rs"]
mod scripted_check;
mod senders;
mod support;
mod tokens;
mod traffic;
mod wire;
