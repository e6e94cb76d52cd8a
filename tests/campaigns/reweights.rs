//! Many changes of the weights under load while the instances are checked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use http::Response;
use serde_json::Value;
use tokio::time::sleep;

use crate::backends::{Backend, backend};
use crate::fleet::HEALTH_PATH;
use crate::harness::{Gateway, full};
use crate::setting;
use crate::support::Load;

const INTERVAL: Duration = Duration::from_secs(1);

/// The times of the checks of one instance.
type Checks = Arc<Mutex<Vec<Instant>>>;

async fn instance(name: &'static str) -> (Backend, Checks) {
    let checks = Checks::default();
    let recorded = Arc::clone(&checks);
    let backend = backend(move |request| {
        if request.uri().path() == HEALTH_PATH {
            recorded.lock().unwrap().push(Instant::now());
        }
        async move { Response::new(full(format!("auth {name} /\n"))) }
    });
    (backend.await, checks)
}

/// Returns the states of all instances by URL, and the times since when they have them.
async fn states(gateway: &Gateway) -> (BTreeMap<String, [Value; 2]>, Vec<SystemTime>) {
    let mut states = BTreeMap::new();
    let mut times = Vec::new();
    for version in gateway.versions("auth").await {
        for instance in version["instances"].as_array().unwrap() {
            let state = [&instance["state"], &instance["ejections"]].map(Clone::clone);
            states.insert(instance["url"].to_string(), state);
            times.push(humantime::parse_rfc3339(instance["since"].as_str().unwrap()).unwrap());
        }
    }
    (states, times)
}

/// Asserts that the states equal `before`. Their times are computed from two clocks, to the millisecond.
async fn assert_unchanged(gateway: &Gateway, before: (BTreeMap<String, [Value; 2]>, Vec<SystemTime>)) {
    let (states, times) = states(gateway).await;
    assert_eq!(states, before.0);
    for (time, earlier) in times.iter().zip(before.1) {
        let apart = time.duration_since(earlier).unwrap_or_else(|error| error.duration());
        assert!(apart < Duration::from_millis(50), "{time:?} and {earlier:?}");
    }
}

/// Returns the longest time between two checks, from `start` until now.
fn longest_pause(checks: &Checks, start: Instant) -> Duration {
    let mut times = vec![start];
    times.extend(checks.lock().unwrap().iter().filter(|at| **at > start));
    times.push(Instant::now());
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
}

/// Starts two versions of two instances each, all of them up. Returns their backends and checks.
async fn start(gateway: &Gateway) -> Vec<(Backend, Checks)> {
    let mut backends = Vec::new();
    for version in ["v1", "v2"] {
        let instances = [instance(version).await, instance(version).await];
        let urls = instances.each_ref().map(|(backend, _)| backend.url.clone());
        gateway.register_instances("auth", version, &urls, HEALTH_PATH).await;
        for url in &urls {
            gateway.wait_state("auth", url, "up").await;
        }
        backends.extend(instances);
    }
    backends
}

async fn campaign(changes: u64) {
    let gateway = Gateway::start(&["--no-demo", "--health-interval", "1s"]);
    let backends = start(&gateway).await;
    let before = states(&gateway).await;
    let load = Load::start(&gateway, "/auth/", 4);
    sleep(2 * INTERVAL).await;
    let start = Instant::now();
    for change in 0.. {
        // For longer than the longest pause.
        if change >= changes && start.elapsed() >= 8 * INTERVAL {
            break;
        }
        gateway.set_weight("auth", "v2", (change % 99 + 1) as f64).await;
    }
    let took = start.elapsed();
    sleep(2 * INTERVAL).await;
    let requests = load.end().await;
    let pauses = backends.iter().map(|(_, checks)| longest_pause(checks, start)).max().unwrap();
    println!(
        "at least {changes} changes in {took:.1?}, {requests} requests, none failed; longest pause between checks {pauses:.2?}"
    );
    assert_unchanged(&gateway, before).await;
    assert!(pauses < 5 * INTERVAL, "{pauses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_weights_keep_states() {
    campaign(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn thousands_of_changed_weights_keep_states() {
    campaign(setting("CANARY_CAMPAIGN_REWEIGHTS", 10_000)).await;
}
