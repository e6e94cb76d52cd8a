//! Several gateways that start at once on an empty database, beside tables of a host.

use std::time::{Duration, Instant};

use tower_canary::store::sql::migrations;

use crate::books::rows;
use crate::databases::{Kind, TestDatabase};
use crate::setting;
use crate::support::{gateway_on, on_every_database, spread};

const PROCESSES: usize = 4;

/// What the host's own migrator left before a gateway ever started.
const HOST: &str =
    "CREATE TABLE seaql_migrations (version VARCHAR(255) NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL);
    INSERT INTO seaql_migrations VALUES ('m20240101_000001_create_orders', 1704067200);
    INSERT INTO seaql_migrations VALUES ('m20240102_000002_create_invoices', 1704153600)";

/// The names in `table`, in order.
async fn noted(database: &TestDatabase, table: &str) -> Vec<String> {
    let db = database.connect().await;
    let noted = rows(&db, &format!("SELECT version FROM {table} ORDER BY version")).await;
    let noted = noted.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    db.close().await.unwrap();
    noted
}

async fn host_rows(database: &TestDatabase) -> Vec<(String, i64)> {
    let db = database.connect().await;
    let rows = rows(&db, "SELECT version, applied_at FROM seaql_migrations ORDER BY version").await;
    let both =
        |row: &sea_orm::QueryResult| (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
    let rows = rows.iter().map(both).collect();
    db.close().await.unwrap();
    rows
}

/// Starts all at once; how long each took. One that does not start fails here.
fn start_together(url: &str) -> Vec<Duration> {
    let start = Instant::now();
    let starting: Vec<_> = (0..PROCESSES)
        .map(|_| {
            let url = url.to_owned();
            std::thread::spawn(move || (gateway_on(&url), start.elapsed()))
        })
        .collect();
    // All of them run until the last has started.
    let started: Vec<_> = starting.into_iter().map(|thread| thread.join().unwrap()).collect();
    started.into_iter().map(|(_, took)| took).collect()
}

async fn campaign(kind: Kind, rounds: u64) {
    let mut took = Vec::new();
    let expected: Vec<_> = migrations().iter().map(|migration| migration.name().to_owned()).collect();
    for _ in 0..rounds {
        let database = TestDatabase::new(kind).await;
        database.by_hand(HOST).await;
        let before = host_rows(&database).await;
        took.extend(start_together(&database.url));
        assert_eq!(noted(&database, "gateway_migrations").await, expected);
        assert_eq!(host_rows(&database).await, before);
    }
    let count = took.len();
    let (median, p99, slowest) = spread(took);
    println!(
        "{kind:?}: {count} of {count} starts on an empty database, {PROCESSES} at once; median {median:.1?}, p99 \
         {p99:.1?}, slowest {slowest:.1?}; each migration noted once, the host's table untouched"
    );
}

on_every_database! {
    async fn gateways_that_start_at_once_on_an_empty_database_migrate_it_once(kind: Kind) {
        campaign(kind, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn gateways_that_start_at_once_on_an_empty_database_migrate_it_once_every_time() {
    for kind in Kind::available() {
        campaign(kind, setting("CANARY_CAMPAIGN_BOOTS", 50)).await;
    }
}
