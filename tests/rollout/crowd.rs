//! Many rollouts at the same time, through drivers and a store, with the figures of their requests and latencies.
//!
//! Each rollout has 100 requests a second, of which 0.1 percent fail. A test sends requests of its own through the layer of
//! a gateway all the time: none of them may fail, since the versions answer all of them and only the weights change.
//!
//! Figures of the long form:
//!
//! | canary | rollouts | taken back | failed requests of users at it in each, mean and most |
//! | --- | --- | --- | --- |
//! | fails one request in ten from the start | 200 | 200 | 61.8, 81 |
//! | fails one request in ten from 25 percent on | 200 | 200 | 147.8, 179 |
//! | takes twice as long | 200 | 200 | 1.0, 3 |
//! | is as good as the other version | 1,000 | 0 | 24.2, 37 |
//!
//! None of 595,425 requests of the tests failed.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::store::RolloutStore;
use tower_canary::{Deployments, ServiceName, Target, WeightedVersionLayer};

use crate::fleet::Fleet;
use crate::traffic::Behavior;

const SHORT: &str = r#"{"version": "v1.1", "steps": [10, 25, 50], "hold": "1m", "bake": {"hold": "1m"}}"#;

/// How long a rollout of [`SHORT`] takes at most, in seconds.
const LONGEST: u64 = 3_600;

/// How many rollouts run at the same time.
const AT_ONCE: usize = 100;

/// The fault of the canaries of a crowd.
#[derive(Clone, Copy, Debug)]
enum Canary {
    Good,
    /// One request in ten fails, from the stage of this number on.
    Failing(u32),
    /// Requests take twice as long.
    Slow,
}

impl Canary {
    fn behavior(self, stage: u32) -> Behavior {
        let normal = Behavior { slower: Some(1.0), ..Behavior::default() };
        match self {
            Self::Failing(from) if stage >= from => Behavior { canary: 100, ..normal },
            Self::Slow => Behavior { slower: Some(2.0), ..normal },
            Self::Good | Self::Failing(_) => normal,
        }
    }

    const fn outcome(self) -> &'static str {
        match self {
            Self::Good => "completed",
            Self::Failing(_) | Self::Slow => "rolled-back",
        }
    }
}

/// Requests that a test sends through the layer of a gateway.
#[derive(Debug, Default)]
struct Probes {
    sent: AtomicU64,
    failed: AtomicU64,
}

impl Probes {
    /// Sends a request to each service every second. Both versions answer.
    async fn send(self: Arc<Self>, deployments: Deployments, services: Vec<ServiceName>) {
        let targets = services.into_iter().map(Target::service);
        let layers = targets.map(|target| WeightedVersionLayer::new(deployments.handle(), target));
        let layers: Vec<_> = layers.collect();
        loop {
            for layer in &layers {
                let backend = service_fn(|_: Request<()>| {
                    ready(Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new())))
                });
                let response = layer.layer(backend).oneshot(Request::new(())).await.unwrap();
                let has_failed = response.status() != StatusCode::OK;
                self.sent.fetch_add(1, Ordering::Relaxed);
                self.failed.fetch_add(u64::from(has_failed), Ordering::Relaxed);
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// A rollout of a crowd.
struct Running {
    id: String,
    service: ServiceName,
    canary: Canary,
}

/// What happened to a crowd.
#[derive(Debug, Default)]
struct Crowd {
    rollouts: usize,
    taken_back: usize,
    /// The failed requests to the canary of each rollout.
    failed: Vec<u64>,
    probes: Arc<Probes>,
}

impl Crowd {
    /// Lets a rollout of each of `count` services run to its end, with `canaries` in turn.
    async fn run(&mut self, canaries: &[Canary], count: usize) {
        let services: Vec<ServiceName> = (0..count).map(|i| format!("s-{i}").parse().unwrap()).collect();
        let fleet = Fleet::start(&services).await;
        let probing = Arc::clone(&self.probes).send(fleet.gateways[0].deployments.clone(), services.clone());
        let probing = tokio::spawn(probing);
        let mut all = Vec::new();
        for (service, canary) in services.into_iter().zip(canaries.iter().cycle()) {
            fleet.traffic.behave(&service, canary.behavior(0));
            let id = fleet.begin_at(&service, SHORT).await.stored.id;
            all.push(Running { id, service, canary: *canary });
        }
        wait_over(&fleet, &all).await;
        probing.abort();
        for Running { id, service, canary } in &all {
            let outcome = fleet.memory.rollout(id).await.unwrap().unwrap().outcome.unwrap_or_default();
            assert_eq!(outcome, canary.outcome(), "{canary:?}: {service}");
            self.taken_back += usize::from(outcome == "rolled-back");
            self.failed.push(fleet.traffic.failed(service));
        }
        self.rollouts += count;
    }

    fn print(&self, canaries: &[Canary]) {
        let mean = self.failed.iter().sum::<u64>() as f64 / self.rollouts as f64;
        let most = self.failed.iter().max().unwrap();
        let sent = self.probes.sent.load(Ordering::Relaxed);
        println!(
            "{canaries:?}: {} rollouts, {} taken back; failed requests of users per rollout: mean {mean:.1}, most {most}; \
             of {sent} requests that both versions answer, none failed",
            self.rollouts, self.taken_back
        );
    }
}

/// Waits until no rollout is left. Canaries behave by the stage of their rollout.
async fn wait_over(fleet: &Fleet, all: &[Running]) {
    for _ in 0..LONGEST {
        let live = fleet.memory.live().await.unwrap().rollouts;
        if live.is_empty() {
            return;
        }
        for rollout in live {
            let running = all.iter().find(|running| running.id == rollout.id).unwrap();
            fleet.traffic.behave(&rollout.service, running.canary.behavior(rollout.step));
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn run(canaries: &[Canary], size: usize) {
    let mut crowd = Crowd::default();
    while crowd.rollouts < size {
        let count = (size - crowd.rollouts).min(AT_ONCE);
        crowd.run(canaries, count).await;
    }
    crowd.print(canaries);
    let probes = &crowd.probes;
    assert!(probes.sent.load(Ordering::Relaxed) >= 40 * size as u64, "requests all the time");
    assert_eq!(probes.failed.load(Ordering::Relaxed), 0, "requests failed by the changes themselves");
}

/// Returns how many good canaries the long form has.
fn size() -> usize {
    std::env::var("CANARY_CAMPAIGN_CROWD").ok().and_then(|size| size.parse().ok()).unwrap_or(1_000)
}

#[tokio::test(start_paused = true)]
async fn good_canaries_are_not_taken_back() {
    run(&[Canary::Good], 20).await;
}

#[tokio::test(start_paused = true)]
async fn failing_canaries_are_taken_back() {
    run(&[Canary::Failing(0)], 10).await;
    run(&[Canary::Failing(2)], 10).await;
}

#[tokio::test(start_paused = true)]
async fn slow_canaries_are_taken_back() {
    run(&[Canary::Slow], 10).await;
}

// One report carries the latencies of all of them.
#[tokio::test(start_paused = true)]
async fn slow_ones_among_100_rollouts_are_taken_back() {
    run(&[Canary::Slow, Canary::Slow, Canary::Good, Canary::Slow], 100).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "a campaign"]
async fn crowd_of_good_canaries() {
    run(&[Canary::Good], size()).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "a campaign"]
async fn crowd_of_bad_canaries() {
    for canary in [Canary::Failing(0), Canary::Failing(2), Canary::Slow] {
        run(&[canary], size() / 5).await;
    }
}
