//! Continuous weight changes under full load.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tower::{Layer, ServiceExt};
use tower_canary::layer::VersionChoice;
use tower_canary::routing::{Change, Registration};
use tower_canary::store::sql::SqlStore;
use tower_canary::store::{ChangeRequest, MemoryStore, RouteStore};
use tower_canary::{
    Deployments, Draw, NoVersionCheck, RoutingHandle, Target, VersionName, WeightedVersionLayer,
};

use crate::backends::{Backend, named_backend};
use crate::harness::Gateway;
use crate::setting;

const CONNECTIONS: usize = 16;
const VERSIONS: [&str; 3] = ["v1", "v2", "v3"];

/// The state shared by load and changes.
#[derive(Debug, Default)]
struct SharedState {
    /// The generation of the last confirmed change.
    confirmed: AtomicU64,
    stopped: AtomicBool,
}

fn seconds() -> Duration {
    Duration::from_secs(setting("CANARY_CAMPAIGN_SECONDS", 60))
}

async fn backends() -> Vec<Backend> {
    let mut backends = Vec::new();
    for version in VERSIONS {
        backends.push(named_backend(version, Duration::ZERO).await);
    }
    backends
}

fn weights(map: [u16; 3]) -> Change {
    let weights = VERSIONS.iter().zip(map).map(|(name, w)| {
        (name.parse::<VersionName>().unwrap(), tower_canary::Weight::from_hundredths(w).unwrap())
    });
    Change::SetWeights(weights.collect())
}

/// Returns splits in which each version is at 0 in turn.
fn split_at(step: u64) -> [u16; 3] {
    let part = u16::try_from(step % 9_998).unwrap() + 1;
    let mut split = [part, 10_000 - part, 0];
    split.rotate_right(usize::try_from(step % 3).unwrap());
    split
}

async fn deployments(store: impl RouteStore, backends: &[Backend]) -> Deployments {
    let handle = RoutingHandle::with_draw(Draw::Exact);
    let deployments = Deployments::builder(store, NoVersionCheck).with_handle(handle).start().await.unwrap();
    for (name, backend) in VERSIONS.iter().zip(backends) {
        let registration = Registration::new(name.parse().unwrap(), backend.url.parse().unwrap());
        let request = ChangeRequest::new(Change::Register(registration), "campaign");
        deployments.apply(&"auth".parse().unwrap(), request).await.unwrap();
    }
    deployments
}

/// Sends requests until the end. Returns their number and the time of each one.
async fn load(deployments: Deployments, state: Arc<SharedState>) -> (u64, Vec<Duration>) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let layer = WeightedVersionLayer::new(deployments.handle(), Target::path_segment()).with_choice();
    let layered = layer.layer(client);
    let mut count = 0;
    let mut took = Vec::new();
    while !state.stopped.load(Ordering::Relaxed) {
        let start = Instant::now();
        let confirmed = state.confirmed.load(Ordering::SeqCst);
        let request = Request::get("/auth/hello").body(Full::default()).unwrap();
        let response = layered.clone().oneshot(request).await.unwrap();
        let choice = response.extensions().get::<VersionChoice>().unwrap().clone();
        assert!(choice.generation >= confirmed, "{} after {confirmed} was confirmed", choice.generation);
        if choice.generation > 4 {
            let step = choice.generation - 5;
            let i = VERSIONS.iter().position(|name| *name == choice.version.as_str()).unwrap();
            assert_ne!(
                split_at(step)[i],
                0,
                "{} has weight 0 in generation {}",
                choice.version,
                choice.generation
            );
        }
        assert_eq!(response.status(), StatusCode::OK);
        let text = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text, format!("auth {} /hello\n", choice.version));
        count += 1;
        took.push(start.elapsed());
    }
    (count, took)
}

/// Changes the split `per_second` times a second, or as fast as the store allows.
async fn change(deployments: Deployments, state: Arc<SharedState>, per_second: Option<u32>) -> u64 {
    let service = "auth".parse().unwrap();
    let mut tick = per_second.map(|rate| interval(Duration::from_secs(1) / rate));
    if let Some(tick) = &mut tick {
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    }
    for step in 0.. {
        if let Some(tick) = &mut tick {
            tick.tick().await;
        }
        if state.stopped.load(Ordering::Relaxed) {
            return step;
        }
        let request = ChangeRequest::new(weights(split_at(step)), "campaign");
        let applied = deployments.apply(&service, request).await.unwrap();
        state.confirmed.store(applied.after.generation(), Ordering::SeqCst);
    }
    0
}

/// The layer runs in this process, to read the generation that each request followed. The backends use real
/// sockets.
async fn storm(name: &str, deployments: Deployments, per_second: Option<u32>) {
    // One change before the load: each later generation then has a split of `split_at`.
    let request = ChangeRequest::new(weights([3_333, 3_333, 3_334]), "campaign");
    let applied = deployments.apply(&"auth".parse().unwrap(), request).await.unwrap();
    assert_eq!(applied.after.generation(), 4);
    let state = Arc::new(SharedState::default());
    let changing = tokio::spawn(change(deployments.clone(), Arc::clone(&state), per_second));
    let loads: Vec<_> =
        (0..CONNECTIONS).map(|_| tokio::spawn(load(deployments.clone(), Arc::clone(&state)))).collect();
    sleep(seconds()).await;
    state.stopped.store(true, Ordering::Relaxed);
    let mut requests = 0;
    let mut took = Vec::new();
    for load in loads {
        let (count, each) = load.await.unwrap();
        requests += count;
        took.extend(each);
    }
    took.sort_unstable();
    let changes = changing.await.unwrap();
    let p99 = took[took.len() * 99 / 100];
    println!(
        "{name}: {changes} changes, {requests} requests, none failed, none to a version at 0; p99 {p99:?}"
    );
    // A slow machine makes fewer changes, but too few prove nothing.
    let wanted = per_second.map_or(1, u64::from) * seconds().as_secs() / 2;
    assert!(changes >= wanted, "{changes} changes");
}

// 1,000 changes per second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn memory_storm_fails_no_request() {
    let backends = backends().await;
    storm("memory", deployments(MemoryStore::new(), &backends).await, Some(1_000)).await;
}

// As many changes per second as the store takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn sqlite_storm_fails_no_request() {
    let backends = backends().await;
    let dir = tempfile::tempdir().unwrap();
    let store = SqlStore::connect(&format!("sqlite://{}/canary.db?mode=rwc", dir.path().display())).await;
    storm("sqlite", deployments(store.unwrap(), &backends).await, None).await;
}

/// Uses the gateway process and its admin API. After each response, the version at 0 must get no request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn gateway_switch_storm_fails_no_request() {
    let backends = backends().await;
    let gateway = Arc::new(Gateway::start(&["--no-demo"]));
    for (name, backend) in VERSIONS.iter().zip(&backends) {
        gateway.register("auth", name, &backend.url).await;
    }
    let stopped = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let load = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        let stopped = Arc::clone(&stopped);
        let done = Arc::clone(&done);
        async move {
            while !stopped.load(Ordering::Relaxed) {
                gateway.count_versions("/auth/hello", 2_000, CONNECTIONS).await;
                done.fetch_add(2_000, Ordering::Relaxed);
            }
        }
    });
    let start = Instant::now();
    let mut switches = 0;
    while start.elapsed() < seconds() {
        let version = VERSIONS[switches % VERSIONS.len()];
        gateway.switch("auth", version).await;
        let after = gateway.count_versions("/auth/hello", 4, 2).await;
        assert_eq!(after, BTreeMap::from([(version.to_owned(), 4)]));
        switches += 1;
    }
    stopped.store(true, Ordering::Relaxed);
    load.await.unwrap();
    let requests = done.load(Ordering::Relaxed);
    println!("gateway: {switches} switches, {requests} requests, none failed, none to a version at 0");
    let (now, most) = gateway.memory();
    println!("gateway: resident memory {now} KiB, at most {most} KiB");
}
