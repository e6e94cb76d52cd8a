//! How long a canary that fails keeps its requests under the default plan: from its first failed request until no gateway
//! gives it any. Each service has 100 requests a second.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_canary::ServiceName;

use crate::fleet::Fleet;
use crate::traffic::Behavior;

const DEFAULT: &str = r#"{"version": "v1.1"}"#;

/// Of 1,000 requests this many fail once the canary has a weight.
#[derive(Clone, Copy, Debug)]
struct Scene {
    failing: u64,
    weight: f64,
}

/// Runs `count` rollouts at the same time. Returns how long each canary kept its requests, shortest first.
async fn measure(scene: Scene, count: usize) -> Vec<Duration> {
    let services: Vec<ServiceName> = (0..count).map(|i| format!("s-{i}").parse().unwrap()).collect();
    let fleet = Fleet::start(&services).await;
    fleet.traffic.report_loads();
    for service in &services {
        fleet.traffic.behave(service, Behavior { slower: None, ..Behavior::default() });
        fleet.begin_at(service, DEFAULT).await;
    }
    let mut began = BTreeMap::new();
    let mut took = BTreeMap::new();
    for _ in 0..4 * 3_600 {
        for service in &services {
            let weight = fleet.weight(service);
            if !began.contains_key(service) && weight == scene.weight {
                fleet.fail(service, scene.failing);
                began.insert(service, Instant::now());
            }
            if let Some(began) = began.get(service).filter(|_| weight == 0.0) {
                took.entry(service).or_insert_with(|| began.elapsed());
            }
        }
        if took.len() == count {
            break;
        }
        sleep(Duration::from_millis(250)).await;
    }
    let mut took: Vec<Duration> = took.into_values().collect();
    took.sort_unstable();
    assert_eq!(took.len(), count, "{scene:?}: all are taken back");
    println!(
        "{scene:?}: {count} rollouts, median {:?}, 95 % {:?}, slowest {:?}",
        took[count / 2],
        took[count * 95 / 100],
        took[count - 1]
    );
    took
}

#[tokio::test(start_paused = true)]
async fn failing_canary_is_back_within_three_minutes() {
    for failing in [100, 200] {
        let took = measure(Scene { failing, weight: 5.0 }, 10).await;
        assert!(took[9] <= Duration::from_secs(180), "{took:?}");
    }
}

// Five windows of ten seconds, and the moments before the first one and after the last one.
#[tokio::test(start_paused = true)]
async fn canary_that_always_fails_is_back_within_a_minute() {
    for weight in [5.0, 25.0] {
        let took = measure(Scene { failing: 1_000, weight }, 1).await;
        assert!(took[0] <= Duration::from_secs(57), "{took:?}");
    }
}

// Another rollout begins between the change of weights and the first window of this one. It wakes the driver, which must not
// begin that window a usual tick later.
#[tokio::test(start_paused = true)]
async fn another_rollout_delays_no_window() {
    let services: Vec<ServiceName> = ["s-0", "s-1"].map(|name| name.parse().unwrap()).to_vec();
    let fleet = Fleet::start(&services).await;
    fleet.traffic.report_loads();
    for service in &services {
        fleet.traffic.behave(service, Behavior { slower: None, ..Behavior::default() });
    }
    fleet.begin_at(&services[0], DEFAULT).await;
    while fleet.weight(&services[0]) == 0.0 {
        sleep(Duration::from_millis(250)).await;
    }
    fleet.fail(&services[0], 1_000);
    let began = Instant::now();
    sleep(Duration::from_millis(500)).await;
    fleet.begin_at(&services[1], DEFAULT).await;
    while fleet.weight(&services[0]) > 0.0 {
        sleep(Duration::from_millis(250)).await;
    }
    assert!(began.elapsed() <= Duration::from_secs(55), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
#[ignore = "a campaign"]
async fn ways_back_of_many_canaries() {
    for weight in [5.0, 25.0] {
        for failing in [100, 200, 1_000] {
            measure(Scene { failing, weight }, 100).await;
        }
    }
}
