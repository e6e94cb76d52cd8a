//! Long campaigns, each with figures on one line, and short forms of them that run with all other tests.
//!
//! The long ones are ignored unless asked for. What each of them does is in its file; how much of it, the environment
//! says:
//!
//! ```sh
//! cargo build --release --all-features --example gateway
//! campaign() { cargo nextest run --release --all-features --test campaigns --run-ignored only --no-capture "$@"; }
//! campaign                                         # all of them, with their defaults
//! CANARY_CAMPAIGN_SECONDS=60 campaign storm
//! CANARY_CAMPAIGN_KILLS=200 campaign killed
//! CANARY_CAMPAIGN_CHANGES=1000 campaign writers    # of each of four
//! CANARY_CAMPAIGN_BOOTS=50 campaign boots          # of four gateways each
//! CANARY_CAMPAIGN_FOLLOWED=100 campaign replication
//! CANARY_CAMPAIGN_DOWN_SECONDS=30 campaign outage
//! CANARY_CAMPAIGN_PANICS=10000 campaign panics
//! CANARY_CAMPAIGN_CANCELLATIONS=10000 campaign cancellations
//! CANARY_CAMPAIGN_FILES=100 campaign damage
//! CANARY_CAMPAIGN_USERS=100000 campaign users
//! CANARY_CAMPAIGN_VISITORS=10000 campaign pins     # of 50 requests each
//! CANARY_CAMPAIGN_PINS=1000000 campaign tampering
//! CANARY_CAMPAIGN_SEEDS=1000 campaign draws
//! CANARY_CAMPAIGN_ATTACKS=9 campaign slow
//! CANARY_CAMPAIGN_MESSAGES=10000 campaign lasting
//! CANARY_SOAK_MINUTES=10 campaign soaks
//! CANARY_CAMPAIGN_HANDOVERS=3 CANARY_CAMPAIGN_STOPS=5 campaign stops
//! ```
//!
//! They run on SQLite, and on the servers that `CANARY_TEST_POSTGRES_URL` and `CANARY_TEST_MYSQL_URL` name, in databases
//! that they make and drop. `outage` runs a PostgreSQL of its own where one is installed, and some of `disks` need root,
//! to mount a small disk; where something is missing they pass without a figure.
#![expect(clippy::disallowed_methods, reason = "tests spawn and read the environment")]
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]
#![allow(clippy::expect_used, reason = "what tests share says what they lack")]
#![allow(dead_code, reason = "the tests of the gateway use what these do not")]

#[path = "../gateway/attacks.rs"]
mod attacks;
#[path = "../gateway/backends.rs"]
mod backends;
mod books;
mod boots;
mod cancellations;
mod cluster;
mod damage;
#[path = "../store/databases.rs"]
mod databases;
mod disks;
mod draws;
#[path = "../shared/faulty_store.rs"]
mod faulty_store;
#[path = "../gateway/handovers.rs"]
mod handovers;
#[path = "../gateway/harness.rs"]
mod harness;
mod kills;
mod lasting;
#[path = "../gateway/logged.rs"]
mod logged;
#[cfg(feature = "postgres")]
mod outage;
mod panics;
mod patience;
mod pins;
mod replication;
#[path = "../shared/scripted_check.rs"]
mod scripted_check;
mod slow;
#[path = "../gateway/soak.rs"]
mod soak;
mod soaks;
#[path = "../gateway/sockets.rs"]
mod sockets;
#[path = "../rules/support.rs"]
mod splits;
mod stops;
mod storm;
#[path = "../gateway/streams.rs"]
mod streams;
mod support;
mod tampering;
mod traces;
mod users;
#[path = "../gateway/versions.rs"]
mod versions;
mod writers;

/// A figure that the environment may change.
fn figure(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
