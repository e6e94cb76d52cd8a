//! Several gateways that start together on an empty database, next to the tables of an application.

use std::time::{Duration, Instant};

use tower_canary::store::sql::migrations;

use crate::books::rows;
use crate::databases::{Kind, TestDatabase};
use crate::setting;
use crate::support::{gateway_on, on_every_database, percentiles};

const PROCESSES: usize = 4;

/// The tables of the application's own migrator, created before the first gateway starts.
const APPLICATION_TABLES: &str =
    "CREATE TABLE seaql_migrations (version VARCHAR(255) NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL);
    INSERT INTO seaql_migrations VALUES ('m20240101_000001_create_orders', 1704067200);
    INSERT INTO seaql_migrations VALUES ('m20240102_000002_create_invoices', 1704153600)";

/// Returns the names in `table`, in order.
async fn migrations_in(database: &TestDatabase, table: &str) -> Vec<String> {
    let db = database.connect().await;
    let rows = rows(&db, &format!("SELECT version FROM {table} ORDER BY version")).await;
    let names = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    db.close().await.unwrap();
    names
}

async fn application_migrations(database: &TestDatabase) -> Vec<(String, i64)> {
    let db = database.connect().await;
    let rows = rows(&db, "SELECT version, applied_at FROM seaql_migrations ORDER BY version").await;
    let rows = rows.iter().map(|row| (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap()));
    let rows = rows.collect();
    db.close().await.unwrap();
    rows
}

/// Starts all gateways together and returns the time that each start took. Every start must succeed.
fn start_together(url: &str) -> Vec<Duration> {
    let start = Instant::now();
    let starting: Vec<_> = (0..PROCESSES)
        .map(|_| {
            let url = url.to_owned();
            std::thread::spawn(move || (gateway_on(&url), start.elapsed()))
        })
        .collect();
    // Every gateway runs until the last one has started.
    let started: Vec<_> = starting.into_iter().map(|thread| thread.join().unwrap()).collect();
    started.into_iter().map(|(_, took)| took).collect()
}

async fn campaign(kind: Kind, rounds: u64) {
    let mut took = Vec::new();
    let expected: Vec<_> = migrations().iter().map(|migration| migration.name().to_owned()).collect();
    for _ in 0..rounds {
        let database = TestDatabase::new(kind).await;
        database.by_hand(APPLICATION_TABLES).await;
        let before = application_migrations(&database).await;
        took.extend(start_together(&database.url));
        assert_eq!(migrations_in(&database, "gateway_migrations").await, expected);
        assert_eq!(application_migrations(&database).await, before);
    }
    let count = took.len();
    let (median, p99, slowest) = percentiles(took);
    println!(
        "{kind:?}: {count} of {count} starts on an empty database, {PROCESSES} concurrent; median {median:.1?}, p99 \
         {p99:.1?}, slowest {slowest:.1?}; each migration ran once, the table of the application is unchanged"
    );
}

on_every_database! {
    async fn concurrent_starts_migrate_once(kind: Kind) {
        campaign(kind, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn many_concurrent_starts_migrate_once() {
    for kind in Kind::available() {
        campaign(kind, setting("CANARY_CAMPAIGN_BOOTS", 50)).await;
    }
}
