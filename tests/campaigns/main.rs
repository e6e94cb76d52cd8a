//! Long campaigns, each with figures. They are ignored unless asked for:
//!
//! ```sh
//! cargo build --release --example gateway
//! cargo nextest run --release --test campaigns --run-ignored only --no-capture
//! CANARY_CAMPAIGN_SECONDS=60 cargo nextest run --release --test campaigns --run-ignored only --no-capture storm
//! CANARY_CAMPAIGN_KILLS=100 cargo nextest run --release --test campaigns --run-ignored only --no-capture killed
//! ```
#![expect(clippy::disallowed_methods, reason = "tests spawn and read the environment")]
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]
#![allow(clippy::expect_used, reason = "what tests share says what they lack")]
#![allow(dead_code, reason = "the tests of the gateway use what these do not")]

#[path = "../gateway/backends.rs"]
mod backends;
mod books;
mod boots;
mod cancellations;
mod cluster;
#[path = "../store/databases.rs"]
mod databases;
#[path = "../gateway/harness.rs"]
mod harness;
mod kills;
mod outage;
mod panics;
mod patience;
mod replication;
mod storm;
mod support;
mod writers;

/// A figure that the environment may change.
fn figure(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
