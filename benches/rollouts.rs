//! What 100 rollouts cost a fleet of 100 gateways: `cargo bench --bench rollouts`.
//!
//! One gateway leads all rollouts. The reports and the reads of the others are made beside it, each every five seconds, as
//! theirs would be.
//! With `--features postgres,mysql` and the URLs of servers in `CANARY_TEST_POSTGRES_URL` and `CANARY_TEST_MYSQL_URL`, it
//! measures these databases, too. `CANARY_BENCH_GATEWAYS` and `CANARY_BENCH_ROLLOUTS` set other sizes.
#![expect(clippy::unwrap_used, reason = "a bench stops at the first error")]
#![expect(clippy::disallowed_methods, reason = "it reads the environment and spawns")]
#![allow(dead_code, reason = "the tests use more of the helpers")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "sizes are small")]

#[path = "../tests/store/databases.rs"]
mod databases;
#[path = "../tests/shared/reported.rs"]
mod reported;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use statrs::distribution::{ContinuousCDF, LogNormal};
use tokio::time::{interval, sleep};
use tower_canary::rollout::{Plan, RolloutActor, Rollouts};
use tower_canary::routing::Registration;
use tower_canary::store::sql::SqlStore;
use tower_canary::store::{LiveRollouts, ReplicaRegistry, Report, RolloutStore};
use tower_canary::traffic::{Figures, Latencies};
use tower_canary::{Deployments, NoVersionCheck, RoutingHandle, ServiceName};

use self::databases::{Kind, TestDatabase};
use self::reported::reported;

const REPORT_EVERY: Duration = Duration::from_secs(5);

fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let most = if is_bench { 100 } else { 2 };
    let gateways = setting("CANARY_BENCH_GATEWAYS", most);
    let rollouts = setting("CANARY_BENCH_ROLLOUTS", most);
    let seconds = if is_bench { 60 } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("{gateways} gateways, {rollouts} rollouts of two versions");
    for kind in Kind::available() {
        runtime.block_on(measure(kind, gateways, rollouts, Duration::from_secs(seconds)));
    }
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

async fn measure(kind: Kind, gateways: usize, count: usize, time: Duration) {
    println!("\n{kind:?}");
    let database = TestDatabase::new(kind).await;
    let store = SqlStore::connect(&database.url).await.unwrap();
    let builder = Deployments::builder(store.clone(), NoVersionCheck).with_replica_name("leader");
    let deployments = builder.start().await.unwrap();
    let rollouts = Rollouts::new(deployments.clone());
    let services: Vec<ServiceName> = (0..count).map(|i| format!("service-{i}").parse().unwrap()).collect();
    for service in &services {
        register(&deployments, service).await;
    }
    let figures = figures(deployments.handle());
    print_report(&figures);
    let reports = reports(figures, usize::try_from(2 * time.as_secs() / 5).unwrap() + 2);
    tokio::spawn(deployments.clone().run(std::future::pending()));
    tokio::spawn(work_all(store.clone(), deployments.clone(), gateways, reports));
    for service in &services {
        let plan = Plan::new("v1.1".parse().unwrap());
        rollouts.start(service, plan, RolloutActor::new("bench")).await.unwrap();
    }
    tokio::spawn(rollouts.run(std::future::pending()));
    sleep(time).await;
    watch(&store, time).await;
    print_all(&store, gateways).await;
}

async fn register(deployments: &Deployments, service: &ServiceName) {
    for (version, url) in [("v1.0", "http://10.0.0.1:8080"), ("v1.1", "http://10.0.0.2:8080")] {
        let registration = Registration::new(version.parse().unwrap(), url.parse().unwrap());
        deployments.register_if_absent(service, registration, "bench").await.unwrap();
    }
}

type ByService = BTreeMap<String, BTreeMap<String, Figures>>;

/// Returns the figures of a gateway after an hour: a million requests of each version, with a median of 40 ms.
fn figures(handle: &RoutingHandle) -> ByService {
    let seconds = LogNormal::new(0.04_f64.ln(), 0.5).unwrap();
    let ranks = (0..10_000).map(|rank| seconds.inverse_cdf((f64::from(rank) + 0.5) / 10_000.0));
    let latencies: Latencies = ranks.map(|seconds| (Duration::from_secs_f64(seconds), 100)).collect();
    let table = handle.table();
    let services = table.sorted().into_iter().map(|route| {
        let versions = route.split().versions().iter();
        let figures = Figures::new(1_000_000, 1_000).with_latencies(latencies.clone());
        let versions = versions.map(|version| (version.id.to_string(), figures.clone()));
        (route.service().to_string(), versions.collect())
    });
    services.collect()
}

fn print_report(figures: &ByService) {
    let bytes = write(figures).len();
    let each = bytes / figures.len();
    println!("  a report: {bytes} bytes, {each} a rollout: {} rollouts fit", Report::MAX_FIGURES / each);
}

/// Returns the reports of a gateway, one after the other. Each version gets 1,000 requests between two of them.
fn reports(mut figures: ByService, count: usize) -> Vec<String> {
    let more: Latencies = figures.values().flat_map(BTreeMap::values).next().unwrap().latencies.clone();
    let more: Latencies = more.iter().map(|(time, count)| (time, count / 1_000)).collect();
    let more = Figures::new(1_000, 1).with_latencies(more);
    let reports = (0..count).map(|_| {
        figures.values_mut().flat_map(BTreeMap::values_mut).for_each(|version| version.add(&more));
        write(&figures)
    });
    reports.collect()
}

/// Writes figures as a gateway does.
fn write(figures: &ByService) -> String {
    let services = figures.iter().map(|(service, versions)| {
        let versions = versions.iter().map(|(id, figures)| (id.clone(), reported(figures)));
        (service.clone(), versions.collect())
    });
    Value::Object(services.collect()).to_string()
}

/// Reports as all gateways but the leader, in turn, and reads the rollouts as they do.
async fn work_all(store: SqlStore, deployments: Deployments, gateways: usize, reports: Vec<String>) {
    let mut pace = interval(REPORT_EVERY / u32::try_from(gateways.max(1)).unwrap());
    for turn in 0.. {
        pace.tick().await;
        let name = format!("gateway-{}", turn % gateways.max(1));
        let figures = reports[(turn / gateways.max(1)).min(reports.len() - 1)].clone();
        let report = Report::new(&name, &name, deployments.freshness().revision).with_figures(Some(figures));
        if let Err(error) = store.report(&report).await {
            println!("  a report failed: {error}");
        }
        if let Err(error) = store.live().await {
            println!("  the rollouts cannot be read: {error}");
        }
    }
}

/// Prints what the leader writes in `time`, and how long a tick takes.
async fn watch(store: &SqlStore, time: Duration) {
    let start = Instant::now();
    let before = turns(&store.live().await.unwrap());
    let mut ticks = Vec::new();
    while start.elapsed() < time {
        sleep(Duration::from_millis(500)).await;
        ticks.push(last_tick(&store.live().await.unwrap()));
    }
    let writes = turns(&store.live().await.unwrap()) - before;
    let each_second = writes as f64 / start.elapsed().as_secs_f64();
    ticks.sort_unstable();
    let (median, slowest) = (ticks[ticks.len() / 2], ticks[ticks.len() - 1]);
    println!("  writes of the leader: {each_second:.1} a second");
    println!("  a tick over all rollouts, with what it reads: median {median:.0?}, slowest {slowest:.0?}");
}

/// Prints what gateways read and write.
async fn print_all(store: &SqlStore, gateways: usize) {
    let began = Instant::now();
    let live = store.live().await.unwrap().rollouts;
    let took = began.elapsed();
    let mut bytes = 0;
    for rollout in &live {
        bytes += rollout.plan.len() + rollout.state.len() + rollout.evidence.as_ref().map_or(0, String::len);
    }
    let each_second = gateways as f64 / REPORT_EVERY.as_secs_f64();
    println!(
        "  {} rollouts, which each gateway reads every five seconds: {bytes} bytes in {took:.1?}; {each_second:.0} reads a \
         second, {:.1} MB",
        live.len(),
        each_second * bytes as f64 / 1e6
    );
    let began = Instant::now();
    let figures = store.figures().await.unwrap();
    let took = began.elapsed();
    let bytes: usize = figures.iter().map(|figures| figures.figures.len()).sum();
    println!(
        "  figures, which each gateway writes every five seconds: {each_second:.0} writes a second, {:.1} MB",
        bytes as f64 / REPORT_EVERY.as_secs_f64() / 1e6
    );
    println!("  figures, which a leader reads every ten seconds: {bytes} bytes in {took:.1?}");
}

/// Returns the number of all writes to rollouts.
fn turns(live: &LiveRollouts) -> u64 {
    live.rollouts.iter().map(|rollout| rollout.turn).sum()
}

/// Returns the time from the begin of the last tick until its last write.
fn last_tick(live: &LiveRollouts) -> Duration {
    let written = live.rollouts.iter().map(|rollout| {
        let state: Value = serde_json::from_str(&rollout.state).unwrap();
        let began = Duration::from_millis(state["tickedAt"].as_u64().unwrap());
        rollout.ticked_at.duration_since(SystemTime::UNIX_EPOCH + began).unwrap_or_default()
    });
    written.max().unwrap()
}
