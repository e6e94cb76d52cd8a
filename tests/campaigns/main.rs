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
//! CANARY_CAMPAIGN_LEADERS=200 campaign leaders     # in 8 groups of three gateways: PostgreSQL needs max_connections=200
//! CANARY_CAMPAIGN_RETURNS=10 campaign returns      # pairs of gateways at the same time
//! CANARY_CAMPAIGN_CHANGES=1000 campaign writers    # of each of four writers
//! CANARY_CAMPAIGN_BOOTS=50 campaign boots          # of four gateways each
//! CANARY_CAMPAIGN_FOLLOWED=100 campaign replication
//! CANARY_CAMPAIGN_DOWN_SECONDS=30 campaign outage
//! CANARY_CAMPAIGN_BACKUPS=20 campaign backups
//! campaign failover                                # with private servers that replicate
//! campaign shapes                                  # poolers, standbys, hostile settings
//! CANARY_CAMPAIGN_PANICS=10000 campaign panics
//! CANARY_CAMPAIGN_CANCELLATIONS=10000 campaign cancellations
//! CANARY_CAMPAIGN_FILES=100 campaign damage
//! CANARY_CAMPAIGN_USERS=100000 campaign users
//! CANARY_CAMPAIGN_VISITORS=10000 campaign pins     # of 50 requests each
//! CANARY_CAMPAIGN_PINS=1000000 campaign tampering
//! CANARY_CAMPAIGN_SEEDS=1000 campaign draws
//! CANARY_CAMPAIGN_ATTACKS=9 campaign slow
//! CANARY_CAMPAIGN_NEIGHBORS=9 campaign neighbors   # rounds of each kind of hanging stream
//! CANARY_CAMPAIGN_REFUSALS=10000 campaign early
//! CANARY_CAMPAIGN_IMPATIENT_SECONDS=600 campaign impatient
//! campaign silence
//! CANARY_CAMPAIGN_LOSSES_SECONDS=600 CANARY_CAMPAIGN_RATE=1000 campaign losses
//! CANARY_CAMPAIGN_UNHEALTHY=100000 campaign unhealthy
//! CANARY_CAMPAIGN_REWEIGHTS=10000 campaign reweights
//! CANARY_CAMPAIGN_RESTARTS=20 campaign restarts
//! CANARY_CAMPAIGN_SLUGGISH_SECONDS=30 campaign sluggish
//! CANARY_CAMPAIGN_SERVICES=10000 campaign idle_fleets
//! campaign partition                               # as root, in a network namespace
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
//! `outage`, `failover` and `shapes` start their own servers, parts of `disks` mount a small disk as root, and `partition` creates
//! a network namespace as root. Where that is impossible they print `skipped` and pass.
#![expect(clippy::disallowed_methods, reason = "tests spawn and read the environment")]
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]
#![allow(clippy::expect_used, reason = "shared helpers name what is missing")]
#![allow(dead_code, reason = "the gateway tests use more of the helpers")]

#[path = "../shared/addresses.rs"]
mod addresses;
#[path = "../gateway/attacks.rs"]
mod attacks;
#[path = "../gateway/backends.rs"]
mod backends;
#[cfg(feature = "_sql")]
mod backups;
mod books;
mod boots;
mod cancellations;
#[path = "../gateway/clients.rs"]
mod clients;
mod cluster;
mod crowds;
mod damage;
#[path = "../store/databases.rs"]
mod databases;
mod disks;
mod draws;
mod early;
#[cfg(feature = "_sql")]
mod failover;
#[path = "../shared/faulty_store.rs"]
mod faulty_store;
#[path = "../gateway/fleet.rs"]
mod fleet;
#[path = "../gateway/handovers.rs"]
mod handovers;
#[path = "../gateway/harness.rs"]
mod harness;
mod idle_fleets;
mod impatient;
mod kills;
mod lasting;
#[path = "../gateway/launch.rs"]
mod launch;
#[cfg(feature = "rollout")]
mod leaders;
#[path = "../gateway/logged.rs"]
mod logged;
mod losses;
#[cfg(feature = "mysql")]
mod mariadb;
mod neighbors;
#[cfg(feature = "rollout")]
mod orders;
#[cfg(feature = "postgres")]
mod outage;
#[path = "../gateway/paced.rs"]
mod paced;
mod panics;
mod partition;
mod patience;
mod pins;
mod relay;
mod replication;
mod restarts;
#[cfg(feature = "rollout")]
mod returns;
mod reweights;
#[path = "../shared/scripted_check.rs"]
mod scripted_check;
#[cfg(feature = "postgres")]
mod shapes;
mod silence;
mod slow;
mod sluggish;
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
mod unhealthy;
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
