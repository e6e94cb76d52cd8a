//! What 10,000 services of 3 versions cost: `cargo bench --bench scale`, with `--features postgres,mysql` and the URLs of
//! servers in `CANARY_TEST_POSTGRES_URL` and `CANARY_TEST_MYSQL_URL` on these databases too.
#![expect(clippy::unwrap_used, reason = "a bench stops where it is wrong")]
#![expect(clippy::disallowed_methods, reason = "it reads the environment")]
#![allow(dead_code, reason = "the tests use what this does not")]

#[path = "../tests/store/databases.rs"]
mod databases;

use std::time::{Duration, Instant};

use tower_canary::routing::Change;
use tower_canary::store::sql::SqlStore;
use tower_canary::store::{ChangeRequest, RouteStore};
use tower_canary::{Deployments, NoVersionCheck, ServiceName, Weight};

use self::databases::{Kind, TestDatabase};

const SERVICES: usize = 10_000;
const VERSIONS: usize = 3;
const TURNS: u32 = 9;

/// Set for a process that only starts a gateway, on the database that it names, and prints how long that took.
const BOOT: &str = "CANARY_BENCH_BOOT";

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Some(url) = std::env::var_os(BOOT) {
        return println!("{}", runtime.block_on(boot_at(url.to_str().unwrap())).as_micros());
    }
    println!("{SERVICES} services of {VERSIONS} versions, medians of {TURNS}");
    for kind in Kind::available() {
        runtime.block_on(measure(kind));
    }
}

async fn measure(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    let store = SqlStore::connect(&database.url).await.unwrap();
    fill(&database).await;
    println!("\n{kind:?}");
    let before = resident();
    let here = boot(&database).await;
    println!("  memory of a gateway: {} KiB, {:.1} KiB a service", resident() - before, per_service(before));
    let there = boot(&database).await;

    let boots = (0..TURNS).map(|_| booted(&database.url)).collect();
    println!("  boot of a new process, connect, load, compile, publish: {:.2?}", median(boots));
    show("load of all", async || store.load(0).await.unwrap()).await;
    let mut step = 0_u64;
    show("a change, stored and published", async || {
        step += 1;
        change(&here, step).await;
    })
    .await;
    show("a change, and its refresh on another replica", async || {
        step += 1;
        change(&here, step).await;
        there.refresh().await.unwrap();
    })
    .await;
    let name = service(1);
    let generation = |d: &Deployments| d.handle().route(name.as_str()).unwrap().split().generation();
    assert_eq!(generation(&there), generation(&here));
    show("a poll that finds nothing", async || there.refresh().await.unwrap()).await;
}

async fn boot(database: &TestDatabase) -> Deployments {
    let store = SqlStore::connect(&database.url).await.unwrap();
    let deployments = Deployments::start(store, NoVersionCheck).await.unwrap();
    assert_eq!(deployments.handle().table().len(), SERVICES);
    deployments
}

async fn change(deployments: &Deployments, step: u64) {
    let part = u16::try_from(step % 9_999 + 1).unwrap();
    let weights = [("v1", 10_000 - part), ("v2", part)];
    let weights = weights.map(|(v, part)| (v.parse().unwrap(), Weight::from_hundredths(part).unwrap()));
    let change = Change::SetWeights(weights.into());
    deployments.apply(&service(1), ChangeRequest::new(change, "bench").without_check()).await.unwrap();
}

fn service(i: usize) -> ServiceName {
    format!("service-{i}").parse().unwrap()
}

/// What the work leaves is dropped outside of its time.
async fn show<T>(what: &str, mut work: impl AsyncFnMut() -> T) {
    let mut took = Vec::new();
    for _ in 0..TURNS {
        let start = Instant::now();
        let left = work().await;
        took.push(start.elapsed());
        drop(left);
    }
    println!("  {what}: {:.2?}", median(took));
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took.get(took.len() / 2).copied().unwrap_or_default()
}

/// How long a process of its own took, which has freed no memory yet.
fn booted(url: &str) -> Duration {
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new(program).env(BOOT, url).output().unwrap();
    Duration::from_micros(String::from_utf8(output.stdout).unwrap().trim().parse().unwrap())
}

async fn boot_at(url: &str) -> Duration {
    let start = Instant::now();
    let store = SqlStore::connect(url).await.unwrap();
    let deployments = Deployments::start(store, NoVersionCheck).await.unwrap();
    let took = start.elapsed();
    assert_eq!(deployments.handle().table().len(), SERVICES);
    took
}

/// As 10,000 registrations would leave it, but quicker.
async fn fill(database: &TestDatabase) {
    let db = database.connect().await;
    let columns = "id, service_name, generation, salt, slots, revision, created_at, updated_at";
    let services = (1..=SERVICES).map(|i| format!("({i}, 'service-{i}', 3, {i}, 'v1:10000', 3, 0, 0)"));
    insert(&db, "gateway_service_config", columns, services).await;
    let columns = "id, service_id, version, url, weight, is_active, position, created_at, updated_at";
    let is_active = |_| if database.kind == Kind::Postgres { "true" } else { "1" };
    let versions = (1..=SERVICES).flat_map(|i| (1..=VERSIONS).map(move |v| (i, v))).map(|(i, v)| {
        let (weight, active) = (if v == 1 { 10_000 } else { 0 }, is_active(v));
        let url = format!("http://10.0.{}.{}:808{v}", i / 256, i % 256);
        format!("('{i:08x}-0000-8000-8000-{v:012x}', {i}, 'v{v}', '{url}', {weight}, {active}, {v}, 0, 0)")
    });
    insert(&db, "gateway_service_version", columns, versions).await;
    sea_orm::ConnectionTrait::execute_unprepared(&db, "UPDATE gateway_revision SET revision = 3")
        .await
        .unwrap();
    db.close().await.unwrap();
}

async fn insert(
    db: &sea_orm::DatabaseConnection,
    table: &str,
    columns: &str,
    rows: impl Iterator<Item = String>,
) {
    let rows: Vec<String> = rows.collect();
    for rows in rows.chunks(1_000) {
        let insert = format!("INSERT INTO {table} ({columns}) VALUES {}", rows.join(", "));
        sea_orm::ConnectionTrait::execute_unprepared(db, &insert).await.unwrap();
    }
}

/// Resident memory in KiB; 0 where it cannot be told.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "a figure to be read")]
fn per_service(before: u64) -> f64 {
    (resident() - before) as f64 / SERVICES as f64
}
