//! Rollouts without sockets: plans, the guard, the machine, simulations of the guard, and drivers on a store in memory.
//!
//! `cargo bench --bench guard` runs the same simulations; here they have to reach the figures that the docs promise. Short
//! forms run with all other tests. The long ones are ignored by default:
//!
//! ```sh
//! campaign() { cargo test --release --all-features --test rollout -- --ignored --nocapture "$@"; }
//! CANARY_CAMPAIGN_ROLLOUTS=1000 campaign canaries     # of the guard alone
//! CANARY_CAMPAIGN_CROWD=1000 campaign crowd           # through drivers and a store
//! ```
#![expect(clippy::unwrap_used, reason = "a test stops where it is wrong")]
#![allow(clippy::disallowed_methods, reason = "the size of a campaign is read from the environment")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of requests are small"
)]

#[path = "../../benches/guard/chance.rs"]
mod chance;
mod crowd;
mod driver;
mod evidence;
mod faults;
#[path = "../shared/faulty_store.rs"]
mod faulty_store;
mod fleet;
mod interference;
#[path = "../../benches/guard/judges.rs"]
mod judges;
#[path = "../../benches/guard/latency.rs"]
mod latency;
mod machine;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "mirror")]
mod mirrors;
mod orders;
mod phases;
mod plans;
mod random;
#[cfg(feature = "metrics")]
#[path = "../shared/recorded.rs"]
mod recorded;
#[path = "../shared/reported.rs"]
mod reported;
mod reports;
#[path = "../../benches/guard/runs.rs"]
mod runs;
#[path = "../../benches/guard/scenes.rs"]
mod scenes;
mod simulation;
mod support;
mod traffic;
mod unmeasured;
mod users;
mod verdicts;
mod waiting;
mod ways_back;
