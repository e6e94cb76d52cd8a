//! Concurrent writers at two gateways on one database, through the admin API.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::backends::{Backend, named_backend};
use crate::books;
use crate::databases::{Kind, TestDatabase};
use crate::harness::Gateway;
use crate::setting;
use crate::support::{
    assert_whole, assert_whole_entry, gateway_on, history, on_every_database, percentiles, read_split,
};
use crate::wait::wait_until;

const WRITERS: usize = 4;
const HOT: &str = "hot";
const COOL: [&str; 5] = ["cool1", "cool2", "cool3", "cool4", "cool5"];
/// Registered at the start and never removed while active.
const VERSIONS: [&str; 4] = ["v1", "v2", "v3", "v4"];
/// Registered and removed at random.
const TEMPORARY: [&str; 3] = ["x1", "x2", "x3"];

/// A change as an HTTP request.
struct ChangeCall {
    method: Method,
    path: String,
    body: Value,
}

/// The results of the changes.
#[derive(Debug, Default)]
struct Outcomes {
    /// Confirmed changes by reason: the service and the generation.
    confirmed: BTreeMap<String, (&'static str, u64)>,
    /// Reasons of changes whose response does not say whether they were applied.
    unknown: BTreeSet<String>,
    /// Number of responses by status.
    statuses: BTreeMap<String, u64>,
    took: Vec<Duration>,
}

impl Outcomes {
    fn record(&mut self, service: &'static str, reason: String, status: StatusCode, response: &Value) {
        let kind = response["type"].as_str().unwrap_or_default();
        *self.statuses.entry(format!("{} {kind}", status.as_str()).trim().to_owned()).or_default() += 1;
        match status.as_u16() {
            200 | 201 => {
                assert_whole(response);
                let generation = response["generation"].as_u64().unwrap();
                self.confirmed.insert(reason, (service, generation));
            }
            404 | 409 | 412 | 422 => {}
            503 => {
                self.unknown.insert(reason);
            }
            _ => panic!("{service}: {status} {response}"),
        }
    }

    fn add(&mut self, other: Self) {
        self.confirmed.extend(other.confirmed);
        self.unknown.extend(other.unknown);
        self.took.extend(other.took);
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
    }
}

/// Returns a random change of `service`, which may be invalid.
fn random_change(service: &str, backends: &[Backend; 2]) -> ChangeCall {
    let any = [&VERSIONS[..], &TEMPORARY[..]].concat();
    let version = any[rand::random_range(0..any.len())];
    let temporary = TEMPORARY[rand::random_range(0..TEMPORARY.len())];
    let url = &backends[rand::random_range(0..2)].url;
    let deployment = format!("/deployment/services/{service}");
    let routing = format!("/routing/services/{service}/versions");
    let (method, path, body) = match rand::random_range(0..12) {
        0..=4 => {
            let weight = f64::from(rand::random_range(0..=10_000)) / 100.0;
            (Method::PUT, format!("{deployment}/versions/{version}/weight"), json!({ "weight": weight }))
        }
        5 => (Method::PUT, format!("{deployment}/weights"), json!({ "weights": whole_split() })),
        6 => (Method::POST, format!("{deployment}/versions/{version}/switch"), json!({})),
        7 => (Method::PUT, format!("{routing}/{version}"), json!({ "active": true })),
        8 => (Method::PUT, format!("{routing}/{version}"), json!({ "active": false })),
        9 => (Method::POST, routing, json!({ "version": temporary, "url": url })),
        10 => (Method::DELETE, format!("{routing}/{temporary}"), json!({})),
        _ => (Method::PUT, format!("{routing}/{version}"), json!({ "url": url })),
    };
    ChangeCall { method, path, body }
}

fn whole_split() -> Value {
    let first = rand::random_range(0..=100);
    let second = rand::random_range(0..=100 - first);
    json!({ "v1": first, "v2": second, "v3": 100 - first - second })
}

/// One writer. Half of its changes are of the hot service, and a tenth expects an old generation.
async fn write(gateway: Arc<Gateway>, backends: Arc<[Backend; 2]>, name: usize, changes: u64) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let mut generations = BTreeMap::new();
    for i in 0..changes {
        let cool = COOL[rand::random_range(0..COOL.len())];
        let service = if rand::random() { HOT } else { cool };
        let known: Option<u64> = generations.get(service).copied();
        let (expected, stale) = match (rand::random_range(0..10), known) {
            (0, Some(known)) => (Some(known - 1), true),
            (1, known) => (known, false),
            _ => (None, false),
        };
        let mut call = random_change(service, &backends);
        let reason = format!("writer {name}, change {i}");
        call.body["reason"] = json!(reason);
        let start = Instant::now();
        let response = gateway.try_admin_if(expected, call.method, &call.path, &call.body).await;
        let (status, response) = response.unwrap();
        outcomes.took.push(start.elapsed());
        assert!(
            !stale || matches!(status.as_u16(), 412 | 503),
            "{expected:?} of {known:?}: {status} {response}"
        );
        outcomes.record(service, reason, status, &response);
        if let Some(generation) = response["generation"].as_u64() {
            generations.insert(service, generation);
        }
    }
    outcomes
}

/// Reads the served splits until the end. Each must be whole, and generations must never decrease. Returns
/// the number of splits.
async fn watch(gateway: Arc<Gateway>, stopped: Arc<AtomicBool>) -> u64 {
    let mut reads = 0;
    let mut latest = BTreeMap::new();
    while !stopped.load(Ordering::Relaxed) {
        let all = gateway.admin(Method::GET, "/deployment/services", Value::Null).await;
        for split in all["services"].as_array().unwrap() {
            assert_whole(split);
            let generation = split["generation"].as_u64().unwrap();
            let before = latest.insert(split["service"].to_string(), generation).unwrap_or(0);
            assert!(before <= generation, "generation {before}, then {split}");
            reads += 1;
        }
        sleep(Duration::from_millis(10)).await;
    }
    reads
}

/// Asserts that the history contains every confirmed change and no other. Returns the number of changes.
async fn assert_history(gateway: &Gateway, service: &'static str, outcomes: &Outcomes) -> u64 {
    let entries = history(gateway, service).await;
    let mut made = 0;
    for (back, entry) in entries.iter().enumerate() {
        assert_whole_entry(entry);
        let generation = entry["generation"].as_u64().unwrap();
        assert_eq!(generation, (entries.len() - back) as u64, "{service} has gaps");
        let Some(reason) = entry["reason"].as_str() else { continue };
        let confirmed = outcomes.confirmed.get(reason);
        assert!(
            confirmed == Some(&(service, generation)) || outcomes.unknown.contains(reason),
            "{entry} was confirmed as {confirmed:?}"
        );
        made += 1;
    }
    let listed = read_split(gateway, service).await;
    assert_eq!(listed["generation"].as_u64(), Some((VERSIONS.len() + made) as u64), "{service}");
    made as u64
}

async fn register_all(gateway: &Gateway, backend: &Backend) {
    for service in COOL.into_iter().chain([HOT]) {
        for version in VERSIONS {
            gateway.register(service, version, &backend.url).await;
        }
    }
}

async fn same(gateways: &[Arc<Gateway>; 2]) -> bool {
    let [one, other] = gateways;
    one.services().await == other.services().await
}

async fn write_all(gateways: &[Arc<Gateway>; 2], backends: [Backend; 2], changes: u64) -> (Outcomes, u64) {
    let backends = Arc::new(backends);
    let stopped = Arc::new(AtomicBool::new(false));
    let watching =
        gateways.each_ref().map(|gateway| tokio::spawn(watch(Arc::clone(gateway), Arc::clone(&stopped))));
    let writing: Vec<_> = (0..WRITERS)
        .map(|name| {
            tokio::spawn(write(Arc::clone(&gateways[name % 2]), Arc::clone(&backends), name, changes))
        })
        .collect();
    let mut outcomes = Outcomes::default();
    for writer in writing {
        outcomes.add(writer.await.unwrap());
    }
    stopped.store(true, Ordering::Relaxed);
    let mut reads = 0;
    for watcher in watching {
        reads += watcher.await.unwrap();
    }
    (outcomes, reads)
}

async fn campaign(kind: Kind, changes: u64) {
    let database = TestDatabase::new(kind).await;
    let gateways = [(); 2].map(|()| Arc::new(gateway_on(&database.url)));
    let backends = [named_backend("a", Duration::ZERO).await, named_backend("b", Duration::ZERO).await];
    register_all(&gateways[0], &backends[0]).await;
    wait_until(Duration::from_secs(3), "both serve all services", async || same(&gateways).await).await;
    let start = Instant::now();
    let (outcomes, reads) = write_all(&gateways, backends, changes).await;
    let took = start.elapsed();
    wait_until(Duration::from_secs(3), "both serve the same", async || same(&gateways).await).await;
    let mut made = 0;
    for service in COOL.into_iter().chain([HOT]) {
        made += assert_history(&gateways[0], service, &outcomes).await;
    }
    books::assert_balanced(&database).await;
    let Outcomes { statuses, took: each, .. } = outcomes;
    let (median, p99, slowest) = percentiles(each);
    println!(
        "{kind:?}: {WRITERS} writers x {changes} in {took:.1?}, {made} changes made, none lost; median {median:.1?}, \
         p99 {p99:.1?}, slowest {slowest:.1?}; {reads} splits read, all whole; {statuses:?}"
    );
}

on_every_database! {
    async fn each_change_gets_its_own_generation(kind: Kind) {
        campaign(kind, 25).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn many_changes_get_their_own_generation() {
    for kind in Kind::available() {
        campaign(kind, setting("CANARY_CAMPAIGN_CHANGES", 1_000)).await;
    }
}
