//! Long campaigns with printed figures, and short forms that run with all other tests.
//!
//! The long ones are ignored by default. Each file describes its campaign, and variables set its size:
//!
//! ```sh
//! cargo build --release --all-features --example gateway
//! campaign() { cargo nextest run --release --all-features --test campaigns --run-ignored only --no-capture "$@"; }
//! campaign                                         # all campaigns with their default sizes
//! CANARY_CAMPAIGN_SECONDS=60 campaign storm
//! CANARY_CAMPAIGN_KILLS=200 campaign killed
//! CANARY_CAMPAIGN_CHANGES=1000 campaign writers    # of each of four writers
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
//! Campaigns run on SQLite and on the servers of `CANARY_TEST_POSTGRES_URL` and `CANARY_TEST_MYSQL_URL`, in
//! databases that they create and drop. The short forms on servers are in the modules `on_postgres` and
//! `on_mysql`. They are ignored by default, and fail if the variable is not set:
//!
//! ```sh
//! cargo test --all-features --test campaigns -- --ignored ::on_postgres:: ::on_mysql::
//! ```
//!
//! `outage` starts its own PostgreSQL, and parts of `disks` mount a small disk as root. Where that is
//! impossible they print `skipped` and pass.
#![expect(clippy::disallowed_methods, reason = "tests spawn and read the environment")]
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]
#![allow(clippy::expect_used, reason = "shared helpers name what is missing")]
#![allow(dead_code, reason = "the gateway tests use more of the helpers")]

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
#[path = "../shared/wait.rs"]
mod wait;
mod writers;

/// Reads a number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
