//! A gateway that restarts while one of two instances is dead.

use std::time::{Duration, Instant};

use http::Method;
use tokio::time::sleep;

use crate::fleet::{FAST_CHECKS, Fleet};
use crate::harness::Gateway;
use crate::paced::{Answers, Paced};
use crate::setting;

const RATE: u32 = 500;

/// Time for the first checks.
const FIRST_CHECKS: Duration = Duration::from_secs(2);

/// Restarts the gateway and sends it requests. Returns the start of the load, and the answers.
async fn restart(gateway: &mut Gateway, dir: &std::path::Path, is_awaited: bool) -> (Instant, Answers) {
    gateway.kill();
    *gateway = Gateway::start_in(dir, &FAST_CHECKS);
    if is_awaited {
        gateway.wait_ready().await;
    }
    let start = Instant::now();
    // A failed POST is not sent again, so each failure shows.
    let load = Paced::start(Method::POST, vec![gateway.url("/auth/")], RATE);
    sleep(2 * FIRST_CHECKS).await;
    (start, load.end().await)
}

async fn campaign(restarts: u64) {
    let dir = tempfile::tempdir().unwrap();
    let fleet = Fleet::start(["a", "b"]);
    let mut gateway = Gateway::start_in(dir.path(), &FAST_CHECKS);
    fleet.register(&gateway, "v1").await;
    // A killed process would show nothing: connections that fail go to the other instance.
    fleet.processes[0].set_unavailable(true).await;
    let mut late = Vec::new();
    for _ in 0..restarts {
        let (_, answers) = restart(&mut gateway, dir.path(), true).await;
        assert!(answers.failures().is_empty(), "{:?}", answers.failures().first());
        let (start, answers) = restart(&mut gateway, dir.path(), false).await;
        late.push(answers.failures().len());
        assert!(answers.failures().iter().all(|failure| failure.ended() < start + FIRST_CHECKS), "{late:?}");
    }
    println!("{restarts} restarts: none failed with the first checks awaited; without: {late:?} requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restart_with_a_dead_instance_fails_nothing() {
    campaign(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn restarts_with_a_dead_instance_fail_nothing() {
    campaign(setting("CANARY_CAMPAIGN_RESTARTS", 20)).await;
}
