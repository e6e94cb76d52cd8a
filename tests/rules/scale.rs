//! 1,000 gateways on one store, simulated: the code that runs in each of them, under a clock that jumps from event to
//! event. It prints its figures; `--nocapture` shows them.

use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_canary::routing::Change;
use tower_canary::store::{Applied, ChangeRequest};
use tower_canary::{Deployments, NoVersionCheck};

use crate::faulty_store::FaultyStore;
use crate::support::*;

const REPLICAS: usize = 1_000;

/// The number of changes whose convergence is measured, and the resolution of the measurement.
const CHANGES: u32 = 6;
const STEP: Duration = Duration::from_millis(2);

/// The latency of the database, in seconds.
const LATENCY: Range<f64> = 0.000_5..0.005;

/// A database with latency. With `signals` it notifies of changes.
fn central(signals: bool) -> Arc<FaultyStore> {
    let store = FaultyStore::default().with_latency(LATENCY);
    Arc::new(if signals { store.with_signals() } else { store })
}

/// The gateways, all started within a second.
async fn replicas(central: &Arc<FaultyStore>) -> Vec<Deployments> {
    let writer = Deployments::start(Arc::clone(central), NoVersionCheck).await.unwrap();
    for i in 0..2 {
        apply(&writer, Change::Register(registration(i))).await;
    }
    let mut all = Vec::new();
    for i in 0..REPLICAS {
        let builder = Deployments::builder(Arc::clone(central), NoVersionCheck)
            .with_replica_name(format!("gateway-{i}"));
        let deployments = builder.start().await.unwrap();
        spawn(deployments.clone().run(std::future::pending()));
        all.push(deployments);
    }
    sleep(Duration::from_secs(5)).await;
    all
}

async fn apply(deployments: &Deployments, change: Change) -> Applied {
    let service = "auth".parse().unwrap();
    deployments.apply(&service, ChangeRequest::new(change, "simulation").without_check()).await.unwrap()
}

/// The times until each other gateway serves the changes of the first one, in ascending order.
async fn convergence(all: &[Deployments], changes: u32) -> Vec<Duration> {
    let mut took = Vec::new();
    for change in 1..=changes {
        let applied = apply(&all[0], set_weight(1, f64::from(change))).await;
        let start = Instant::now();
        let mut lagging = all[1..].iter().collect::<Vec<_>>();
        while !lagging.is_empty() {
            sleep(STEP).await;
            lagging.retain(|replica| {
                let serves = replica.handle().route("auth").unwrap().split().generation();
                let lags = serves < applied.after.generation();
                took.extend((!lags).then(|| start.elapsed()));
                lags
            });
        }
        sleep(Duration::from_secs_f64(rand::random_range(0.5..1.5))).await;
    }
    took.sort_unstable();
    took
}

fn show(what: &str, took: &[Duration]) -> Duration {
    let [median, p99, all] = [0.5, 0.99, 1.0].map(|part| took[((took.len() - 1) as f64 * part) as usize]);
    println!("{what}: median {median:?}, p99 {p99:?}, all {all:?}");
    all
}

/// Returns the events per second since `since`: the mean, and the maximum over a tenth of a second.
fn rate(what: &str, log: &Mutex<Vec<Instant>>, since: Instant) -> (f64, f64) {
    let times: Vec<_> = log.lock().unwrap().iter().copied().filter(|at| *at >= since).collect();
    let tenths = since.elapsed().as_secs_f64() * 10.0;
    let mut counts = vec![0_u32; tenths as usize + 1];
    for at in &times {
        counts[((*at - since).as_secs_f64() * 10.0) as usize] += 1;
    }
    let mean = times.len() as f64 / tenths * 10.0;
    let peak = f64::from(*counts.iter().max().unwrap()) * 10.0;
    println!("{what}: {mean:.0} a second, {peak:.0} in the busiest tenth");
    (mean, peak)
}

// Polls are spread evenly, and all serve a change within 1.225 s.
#[tokio::test(start_paused = true)]
async fn thousand_pollers_spread_and_converge() {
    let central = central(false);
    let all = replicas(&central).await;
    let start = Instant::now();
    sleep(Duration::from_secs(30)).await;
    let (mean, peak) = rate("polls", &central.reads, start);
    assert!((950.0..1_050.0).contains(&mean) && peak < 2.0 * mean, "{mean} {peak}");
    let (mean, _) = rate("reports", &central.reports, start);
    assert!(mean < 1_000.0 / 5.0 * 1.05, "{mean}");
    assert!(show("polling", &convergence(&all, CHANGES).await) < Duration::from_millis(1_225));
}

#[tokio::test(start_paused = true)]
async fn thousand_listeners_converge_in_30_ms() {
    let central = central(true);
    let all = replicas(&central).await;
    let start = Instant::now();
    assert!(show("signals", &convergence(&all, CHANGES).await) < Duration::from_millis(30));
    rate("reads after signals", &central.reads, start);
    let waited = all[0].wait_converged(u64::from(CHANGES) + 2, Duration::from_secs(1)).await.unwrap();
    assert_eq!((waited.serving.len(), waited.waiting.len()), (REPLICAS, 0));
}

// They do not all read at the same moment.
#[tokio::test(start_paused = true)]
async fn thousand_replicas_recover_within_5_s() {
    let central = central(false);
    let all = replicas(&central).await;
    central.down.store(true, Ordering::Relaxed);
    let start = Instant::now();
    sleep(Duration::from_secs(60)).await;
    let (mean, _) = rate("polls while down", &central.reads, start);
    assert!(mean < 400.0, "{mean}");
    central.down.store(false, Ordering::Relaxed);
    let back = Instant::now();
    sleep(Duration::from_secs(5)).await;
    let stalest = all.iter().map(|replica| replica.freshness().age).max().unwrap();
    assert!(stalest < Duration::from_secs(5), "{stalest:?}");
    let (_, peak) = rate("polls after the return", &central.reads, back);
    assert!(peak < 2_000.0, "{peak}");
}
