//! Creating the tables: concurrently, after other releases, and without the privilege.

use std::error::Error;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection};
use sea_orm_migration::MigratorTrait;
use tower_canary::store::sql::{ConnectError, Migrations, SqlStore, migrations};
use tower_canary::store::{RouteStore, contract};

use crate::databases::{Kind, TestDatabase, TestUser};
use crate::earlier::Earlier;
use crate::support::two_versions;

crate::on_every_database! {
    application_tables_are_untouched
    concurrent_connects_migrate_once
    verify_only_names_missing_migrations
    application_runs_the_migrations
    foreign_table_stops_the_migration
    foreign_table_is_named_by_the_error
    foreign_migration_table_is_named_by_the_error
    later_migrations_are_ignored
    start_waits_for_later_release
    cancelled_start_leaves_no_lock;
    servers:
    unprivileged_user_starts_after_migration
    long_reader_blocks_no_gateway
}

/// The number of migrations.
const ALL: u64 = 19;

async fn application_tables_are_untouched(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    let host = "CREATE TABLE seaql_migrations (version VARCHAR(63) PRIMARY KEY, applied_at BIGINT);
        INSERT INTO seaql_migrations VALUES ('m1_host', 1), ('m2_host', 2)";
    database.by_hand(host).await;
    let db = database.connect().await;
    for _ in 0..2 {
        SqlStore::connect(&database.url).await.unwrap();
        SqlStore::with_connection(db.clone(), Migrations::Auto).await.unwrap();
    }
    let hosts = database.text("SELECT version FROM seaql_migrations ORDER BY version").await;
    assert_eq!(hosts, "m1_host m2_host");
    assert_eq!(database.count("gateway_migrations").await, ALL);
}

async fn concurrent_connects_migrate_once(kind: Kind) {
    for _ in 0..5 {
        let database = TestDatabase::new(kind).await;
        let starts = (0..8).map(|_| {
            let url = database.url.clone();
            tokio::spawn(async move { SqlStore::connect(&url).await })
        });
        let stores: Vec<_> = futures_util::future::join_all(starts).await;
        for store in stores {
            store.unwrap().unwrap();
        }
        assert_eq!(database.count("gateway_migrations").await, ALL);
        assert_eq!(database.count("gateway_revision").await, 1);
    }
}

async fn verify_only_names_missing_migrations(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    let db = database.connect().await;
    let error = SqlStore::with_connection(db.clone(), Migrations::VerifyOnly).await.unwrap_err();
    assert!(error.to_string().contains("gateway_0001_create_service_config"), "{error}");
    assert_eq!(database.tables().await, "");
    SqlStore::with_connection(db.clone(), Migrations::Auto).await.unwrap();
    SqlStore::with_connection(db.clone(), Migrations::VerifyOnly).await.unwrap();
    let last = "DELETE FROM gateway_migrations WHERE version LIKE 'gateway_0007%'";
    database.by_hand(last).await;
    let error = SqlStore::with_connection(db, Migrations::VerifyOnly).await.unwrap_err();
    assert!(error.to_string().contains("gateway_0007_create_replica"), "{error}");
}

async fn application_runs_the_migrations(kind: Kind) {
    struct Host;
    impl MigratorTrait for Host {
        fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
            migrations()
        }
    }
    let database = TestDatabase::new(kind).await;
    let db = database.connect().await;
    Host::up(&db, None).await.unwrap();
    let store = SqlStore::with_connection(db, Migrations::Manual).await.unwrap();
    two_versions(&store).await;
}

async fn foreign_table_stops_the_migration(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    database
        .by_hand("CREATE TABLE gateway_revision (x CHAR(1)); INSERT INTO gateway_revision VALUES ('y')")
        .await;
    let error = SqlStore::connect(&database.url).await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("already exists"), "{error:?}");
    assert_eq!(database.text("SELECT x FROM gateway_revision").await, "y");
    // MySQL commits each table as it is made.
    if kind != Kind::MySql {
        assert_eq!(database.tables().await, "gateway_revision");
    }
}

/// A table of the application has the name of a table of the store.
async fn foreign_table_is_named_by_the_error(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    database.by_hand("CREATE TABLE gateway_replica (x INTEGER)").await;
    let db = database.connect().await;
    let error = SqlStore::with_connection(db.clone(), Migrations::Auto).await.unwrap_err();
    assert_names_table(&error, "gateway_replica");
    assert_eq!(database.count("gateway_replica").await, 0);
    // MySQL cannot undo the tables before it. They are used at the next start.
    if kind != Kind::MySql {
        assert_eq!(database.tables().await, "gateway_replica");
    }
    starts_after_rename(&database, db).await;
}

async fn starts_after_rename(database: &TestDatabase, db: DatabaseConnection) {
    database.by_hand("ALTER TABLE gateway_replica RENAME TO host_replica").await;
    let store = SqlStore::with_connection(db, Migrations::Auto).await.unwrap();
    contract::replicas_show_their_last_report(&store).await;
}

fn assert_names_table(error: &ConnectError, name: &str) {
    assert!(matches!(error, ConnectError::TableExists { table, .. } if table == name), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot create the table {name} in the database ")), "{text}");
    assert!(text.ends_with("rename it, or give the store another database or PostgreSQL schema"), "{text}");
}

async fn foreign_migration_table_is_named_by_the_error(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    database.by_hand("CREATE TABLE gateway_migrations (x INTEGER)").await;
    let error = SqlStore::connect(&database.url).await.unwrap_err();
    assert_names_table(&error, "gateway_migrations");
    assert_eq!(database.tables().await, "gateway_migrations");
}

/// Tests the documented solution of a name collision.
#[tokio::test]
#[ignore = "needs the feature postgres and CANARY_TEST_POSTGRES_URL"]
async fn postgres_tables_may_live_in_their_own_schema() {
    let database = TestDatabase::new(Kind::Postgres).await;
    database.by_hand("CREATE TABLE gateway_replica (x INTEGER); CREATE SCHEMA canary").await;
    let store = SqlStore::connect(&format!("{}?options=-csearch_path%3Dcanary", database.url)).await.unwrap();
    contract::replicas_show_their_last_report(&store).await;
    assert_eq!(database.tables().await, "gateway_replica");
    assert_eq!(database.count("canary.gateway_replica").await, 2);
}

async fn later_migrations_are_ignored(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    SqlStore::connect(&database.url).await.unwrap();
    database.by_hand(LATER).await;
    let db = database.connect().await;
    for migrations in [Migrations::Auto, Migrations::VerifyOnly, Migrations::Manual] {
        let store = SqlStore::with_connection(db.clone(), migrations).await.unwrap();
        assert_eq!(store.load(0).await.unwrap().revision, 0);
    }
    SqlStore::connect(&database.url).await.unwrap();
    assert_eq!(database.count("gateway_migrations").await, ALL + 1);
}

/// A later release runs a migration that this one does not know.
const LATER: &str = "INSERT INTO gateway_migrations VALUES ('gateway_9999_later', 1)";

// It waits until that release has migrated.
async fn start_waits_for_later_release(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    SqlStore::connect(&database.url).await.unwrap();
    database
        .by_hand("CREATE TABLE noted AS SELECT * FROM gateway_migrations; DELETE FROM gateway_migrations")
        .await;
    let later = database.connect().await;
    let (lock, unlock) = match kind {
        Kind::Sqlite => ("BEGIN IMMEDIATE", "COMMIT"),
        Kind::Postgres => ("SELECT pg_advisory_lock(32760367413293689)", "SELECT pg_advisory_unlock_all()"),
        Kind::MySql => (
            "DO GET_LOCK(MD5(CONCAT(DATABASE(), '.gateway_migrations')), 10)",
            "DO RELEASE_LOCK(MD5(CONCAT(DATABASE(), '.gateway_migrations')))",
        ),
    };
    later.execute_unprepared(lock).await.unwrap();
    let url = database.url.clone();
    let starting = tokio::spawn(async move { SqlStore::connect(&url).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!starting.is_finished());
    for statement in ["INSERT INTO gateway_migrations SELECT * FROM noted", LATER, unlock] {
        later.execute_unprepared(statement).await.unwrap();
    }
    starting.await.unwrap().unwrap();
}

// A change of a table waits for a backup that reads it, and everybody else would wait behind the change.
async fn long_reader_blocks_no_gateway(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    Earlier::connect(&database).await.create_tables().await;
    let backup = begin_backup(&database).await;
    let url = database.url.clone();
    let starting = tokio::spawn(async move { SqlStore::connect(&url).await });
    assert_reads_for_3_s(&database).await;
    assert!(!starting.is_finished());
    backup.execute_unprepared("COMMIT").await.unwrap();
    starting.await.unwrap().unwrap();
    assert_eq!(database.count("gateway_migrations").await, ALL);
}

/// Returns a connection in a transaction that has read a table.
async fn begin_backup(database: &TestDatabase) -> DatabaseConnection {
    let db = database.connect().await;
    db.execute_unprepared("BEGIN").await.unwrap();
    db.execute_unprepared("SELECT id FROM gateway_service_version").await.unwrap();
    db
}

async fn assert_reads_for_3_s(database: &TestDatabase) {
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let read = database.count("gateway_service_version");
        assert_eq!(tokio::time::timeout(Duration::from_secs(15), read).await, Ok(0));
    }
}

/// A gateway reads two tables in one transaction while another one migrates. Neither waits for the other in a circle, whatever
/// the order of the tables.
#[tokio::test]
#[ignore = "needs the feature postgres and CANARY_TEST_POSTGRES_URL"]
async fn postgres_migration_is_in_no_deadlock() {
    const TABLES: [&str; 4] =
        ["gateway_service_config", "gateway_service_version", "gateway_split_change", "gateway_replica"];
    for first in TABLES {
        for second in TABLES.into_iter().filter(|second| *second != first) {
            let database = TestDatabase::new(Kind::Postgres).await;
            Earlier::connect(&database).await.create_tables().await;
            let reader = database.connect().await;
            reader.execute_unprepared(&format!("BEGIN; SELECT * FROM {first}")).await.unwrap();
            let url = database.url.clone();
            let starting = tokio::spawn(async move { SqlStore::connect(&url).await });
            tokio::time::sleep(Duration::from_millis(300)).await;
            let read = reader.execute_unprepared(&format!("SELECT * FROM {second}; COMMIT")).await;
            assert!(read.is_ok(), "{first}, then {second}: {read:?}");
            starting.await.unwrap().unwrap();
            assert_eq!(database.count("gateway_migrations").await, ALL);
        }
    }
}

async fn cancelled_start_leaves_no_lock(kind: Kind) {
    let database = TestDatabase::new(kind).await;
    for round in 1..=60 {
        let micros = rand::random_range(0..40_000);
        let start = SqlStore::connect(&database.url);
        let _ = tokio::time::timeout(Duration::from_micros(micros), start).await;
        if round % 5 > 0 {
            continue;
        }
        let start = Instant::now();
        SqlStore::connect(&database.url).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert_eq!(database.count("gateway_migrations").await, ALL);
        database.by_hand(DROP_ALL).await;
    }
}

/// Statements that drop the tables, in an order that the foreign keys allow.
const DROP_ALL: &str =
    "DROP TABLE gateway_rollout_event; DROP TABLE gateway_rollout;
    DROP TABLE gateway_refused_change; DROP TABLE gateway_replica; DROP TABLE gateway_revision; DROP TABLE gateway_split_change;
    DROP TABLE gateway_service_version; DROP TABLE gateway_service_config; DROP TABLE gateway_migrations";

// Until then the error says to run the migrations as a privileged user.
async fn unprivileged_user_starts_after_migration(kind: Kind) {
    let user = TestUser::new(kind).await;
    let database = TestDatabase::new(kind).await;
    let url = user.url_of(&database, TestUser::PASSWORD);
    grant(&database, &user).await;
    let message = SqlStore::connect(&url).await.unwrap_err().to_string();
    assert!(message.contains("run the migrations as a privileged user"), "{message}");
    SqlStore::connect(&database.url).await.unwrap();
    grant(&database, &user).await;
    let store = SqlStore::connect(&url).await.unwrap();
    contract::first_registration_creates_service(&store).await;
    contract::replicas_show_their_last_report(&store).await;
}

/// Grants `user` the privileges on the existing tables that the store needs.
async fn grant(database: &TestDatabase, user: &TestUser) {
    let name = &user.name;
    let right = "GRANT SELECT, INSERT, UPDATE, DELETE ON";
    let grant = match database.kind {
        // Since PostgreSQL 15 this is the default.
        Kind::Postgres => format!(
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC; {right} ALL TABLES IN SCHEMA public TO {name};
            GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}"
        ),
        _ => format!("{right} {}.* TO {name}", database.name),
    };
    database.by_hand(&grant).await;
}

#[tokio::test]
#[ignore = "needs the feature mysql and CANARY_TEST_MYSQL_URL"]
async fn mysql_resumes_an_unrecorded_migration() {
    let database = TestDatabase::new(Kind::MySql).await;
    let store = SqlStore::connect(&database.url).await.unwrap();
    let before = two_versions(&store).await;
    for from in 1..=ALL {
        let forget = format!("DELETE FROM gateway_migrations WHERE version >= 'gateway_{from:04}'");
        database.by_hand(&forget).await;
        let again = SqlStore::connect(&database.url).await.unwrap();
        assert_eq!(again.load(0).await.unwrap().splits, std::slice::from_ref(&before));
        assert_eq!(database.count("gateway_migrations").await, ALL);
    }
}

#[tokio::test]
#[ignore = "needs the feature mysql and CANARY_TEST_MYSQL_URL"]
async fn mysql_refuses_table_with_other_columns() {
    let database = TestDatabase::new(Kind::MySql).await;
    SqlStore::connect(&database.url).await.unwrap();
    let other =
        "DROP TABLE gateway_replica; CREATE TABLE gateway_replica (id VARCHAR(36) PRIMARY KEY, name TEXT);
        DELETE FROM gateway_migrations WHERE version >= 'gateway_0007'";
    database.by_hand(other).await;
    let error = SqlStore::connect(&database.url).await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("already exists"), "{error:?}");
    assert_eq!(database.count("gateway_migrations").await, 6);
}
