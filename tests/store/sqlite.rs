//! What is particular to the SQL store, seen on SQLite.

use std::error::Error;
use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use sea_orm_migration::MigratorTrait;
use tempfile::TempDir;
use tower_canary::ServiceName;
use tower_canary::routing::Change;
use tower_canary::store::sql::{ConnectError, Migrations, SqlStore, migrations};
use tower_canary::store::{Applied, ChangeRequest, HistoryEntry, RouteStore, Snapshot, StoreError};

use crate::contract::{
    apply, assert_totals, auth, by_alice, everything, register, set_weight, two_versions, version, weight,
};

/// A store in a file of its own, which goes with it.
#[derive(Debug)]
pub(crate) struct InAFile {
    store: SqlStore,
    directory: TempDir,
}

impl InAFile {
    fn url(&self) -> String {
        url(&self.directory.path().join("canary.db"))
    }

    /// A connection beside the store's, as somebody who edits by hand has.
    async fn by_hand(&self, sql: &str) {
        let db = Database::connect(self.url()).await.unwrap();
        db.execute_unprepared(&format!("PRAGMA ignore_check_constraints = ON; {sql}")).await.unwrap();
        db.close().await.unwrap();
    }
}

impl Deref for InAFile {
    type Target = SqlStore;

    fn deref(&self) -> &SqlStore {
        &self.store
    }
}

#[async_trait]
impl RouteStore for InAFile {
    async fn load(&self, after: u64) -> Result<Snapshot, StoreError> {
        self.store.load(after).await
    }

    async fn apply(&self, service: &ServiceName, request: &ChangeRequest) -> Result<Applied, StoreError> {
        self.store.apply(service, request).await
    }

    async fn history(
        &self,
        service: &ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        self.store.history(service, before, limit).await
    }
}

pub(crate) async fn in_memory() -> SqlStore {
    SqlStore::connect("sqlite::memory:").await.unwrap()
}

pub(crate) async fn in_a_file() -> InAFile {
    let directory = tempfile::tempdir().unwrap();
    let store = SqlStore::connect(&url(&directory.path().join("canary.db"))).await.unwrap();
    InAFile { store, directory }
}

fn url(file: &Path) -> String {
    format!("sqlite://{}?mode=rwc", file.display())
}

async fn refused(url: &str) -> ConnectError {
    let start = Instant::now();
    let error = SqlStore::connect(url).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_millis(3_500), "{:?}", start.elapsed());
    error
}

async fn text(db: &DatabaseConnection, sql: &str) -> String {
    let rows =
        db.query_all_raw(sea_orm::Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap()).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn what_is_stored_outlives_the_store() {
    let store = in_a_file().await;
    two_versions(&store).await;
    apply(&store, set_weight("v1.1", "12.34")).await;
    let before = everything(&store).await;
    let again = SqlStore::connect(&store.url()).await.unwrap();
    assert_eq!(everything(&again).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_on_one_file_lose_no_change() {
    let store = in_a_file().await;
    let start = two_versions(&store).await.generation();
    let other = SqlStore::connect(&store.url()).await.unwrap();
    let writers = [&*store, &other, &*store, &other].map(|store| async move {
        for step in 0..250_u32 {
            let percent = (step % 100).to_string();
            let name = if step % 2 == 0 { "v1.0" } else { "v1.1" };
            assert_totals(&apply(store, set_weight(name, &percent)).await.after);
        }
    });
    let changed = async {
        futures_util::future::join_all(writers).await;
    };
    let watched = async {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            store.load(0).await.unwrap().splits.iter().for_each(assert_totals);
        }
    };
    tokio::select! { () = changed => {}, () = watched => {} }
    let last = store.load(0).await.unwrap();
    let history = store.history(&auth(), None, 10_000).await.unwrap();
    assert_eq!(last.revision, last.splits[0].generation());
    assert_eq!(history.len() as u64, last.revision);
    assert!(last.revision > start);
}

#[tokio::test]
async fn every_change_of_two_stores_is_counted() {
    let store = in_a_file().await;
    let start = two_versions(&store).await.generation();
    let other = SqlStore::connect(&store.url()).await.unwrap();
    // No two changes that follow each other may be equal, or one of them would change nothing.
    let write = async |to: &SqlStore, by: &str| {
        for step in 0..250 {
            let backend = format!("http://10.0.0.1/{by}/{step}").parse().unwrap();
            apply(to, Change::SetUrl { version: version("v1.0"), backend }).await;
        }
    };
    futures_util::join!(write(&store, "a"), write(&other, "b"), write(&store, "c"), write(&other, "d"));
    let last = other.load(0).await.unwrap();
    assert_eq!((last.revision, last.splits[0].generation()), (start + 1_000, start + 1_000));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_takes_only_its_service_out() {
    for (edit, said) in [
        ("UPDATE gateway_service_version SET weight = -5", "column weight: -5 is not a weight"),
        ("UPDATE gateway_service_version SET weight = 'much'", "column weight"),
        ("UPDATE gateway_service_version SET url = 'javascript:'", "column url: \"javascript:\""),
        ("UPDATE gateway_service_version SET version = 'V 1'", "column version: \"V 1\""),
        ("UPDATE gateway_service_version SET id = 'x'", "gateway_service_version row x, column id"),
        ("UPDATE gateway_service_config SET health_path = '//evil'", "column health_path"),
        ("UPDATE gateway_service_config SET generation = -1", "column generation"),
        (
            "UPDATE gateway_service_config SET service_name = 'Auth'",
            "gateway_service_config row 1, column service_name",
        ),
    ] {
        let store = in_a_file().await;
        apply(&store, register("v1.0")).await;
        store.by_hand(edit).await;
        store.apply(&"orders".parse().unwrap(), &by_alice(register("v1.0"))).await.unwrap();
        let snapshot = store.load(0).await.unwrap();
        assert_eq!(snapshot.splits.len(), 1, "{edit}");
        assert_eq!(snapshot.splits[0].service().as_str(), "orders", "{edit}");
        assert!(snapshot.broken[0].reason.contains(said), "{edit}: {:?}", snapshot.broken);
    }
}

#[tokio::test]
async fn slots_that_cannot_be_read_are_made_anew_from_the_weights() {
    let store = in_a_file().await;
    apply(&store, register("v1.0")).await;
    store.by_hand("UPDATE gateway_service_config SET slots = 'v1.0:5'").await;
    let snapshot = store.load(0).await.unwrap();
    assert_eq!(snapshot.splits[0].slots().to_string(), "v1.0:10000");
}

#[tokio::test]
async fn a_broken_split_is_not_changed() {
    let store = in_a_file().await;
    apply(&store, register("v1.0")).await;
    store.by_hand("UPDATE gateway_service_version SET url = 'javascript:'").await;
    let refused = store.apply(&auth(), &by_alice(register("v1.1"))).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Broken(broken) if broken.service == "auth"), "{refused:?}");
    assert_eq!(store.load(0).await.unwrap().revision, 1);
}

#[tokio::test]
async fn weights_below_zero_are_refused_by_the_database() {
    let store = in_a_file().await;
    two_versions(&store).await;
    let db = Database::connect(store.url()).await.unwrap();
    for weight in [-5, 10_001] {
        let sql = format!("UPDATE gateway_service_version SET weight = {weight}");
        assert!(db.execute_unprepared(&sql).await.is_err());
    }
}

#[tokio::test]
async fn weights_edited_by_hand_are_scaled_and_the_next_change_stores_them() {
    let store = in_a_file().await;
    two_versions(&store).await;
    store.by_hand("UPDATE gateway_service_version SET weight = 3000 WHERE version = 'v1.0'").await;
    store.by_hand("UPDATE gateway_service_version SET weight = 1000 WHERE version = 'v1.1'").await;
    let split = store.load(0).await.unwrap().splits.remove(0);
    assert_eq!(split.version("v1.1").unwrap().weight, weight("25"));
    let changed = apply(&store, register("v1.2")).await.after;
    assert_eq!(store.load(0).await.unwrap().splits, [changed]);
    let db = Database::connect(store.url()).await.unwrap();
    let stored = "SELECT CAST(weight AS TEXT) FROM gateway_service_version ORDER BY version";
    assert_eq!(text(&db, stored).await, "7500 2500 0");
}

#[tokio::test]
async fn an_edit_by_hand_is_seen_once_the_revision_is_counted_on() {
    let store = in_a_file().await;
    two_versions(&store).await;
    let edit = "UPDATE gateway_service_version SET url = 'http://10.0.0.9' WHERE version = 'v1.0';
        UPDATE gateway_revision SET revision = 3; UPDATE gateway_service_config SET revision = 3";
    store.by_hand(edit).await;
    let seen = store.load(2).await.unwrap();
    assert_eq!((seen.revision, seen.splits[0].versions()[0].backend.as_str()), (3, "http://10.0.0.9"));
}

#[tokio::test]
async fn only_rows_that_differ_are_written() {
    let store = in_a_file().await;
    two_versions(&store).await;
    apply(&store, register("v1.2")).await;
    store.by_hand("CREATE TABLE written (version TEXT)").await;
    let trigger = "CREATE TRIGGER t AFTER UPDATE ON gateway_service_version BEGIN INSERT INTO written VALUES (new.version); END";
    store.by_hand(trigger).await;
    apply(&store, set_weight("v1.1", "100")).await;
    let db = Database::connect(store.url()).await.unwrap();
    assert_eq!(text(&db, "SELECT version FROM written ORDER BY version").await, "v1.0 v1.1");
}

#[tokio::test]
async fn a_hosts_own_tables_stay_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let url = url(&directory.path().join("host.db"));
    let db = Database::connect(&url).await.unwrap();
    let host = "CREATE TABLE seaql_migrations (version TEXT PRIMARY KEY, applied_at BIGINT);
        INSERT INTO seaql_migrations VALUES ('m1_host', 1), ('m2_host', 2)";
    db.execute_unprepared(host).await.unwrap();
    for _ in 0..2 {
        SqlStore::connect(&url).await.unwrap();
        SqlStore::with_connection(db.clone(), Migrations::Auto).await.unwrap();
    }
    assert_eq!(text(&db, "SELECT version FROM seaql_migrations").await, "m1_host m2_host");
    assert_eq!(text(&db, "SELECT CAST(count(*) AS TEXT) FROM gateway_migrations").await, "7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_start_at_once_on_an_empty_file_run_each_migration_once() {
    for _ in 0..5 {
        let directory = tempfile::tempdir().unwrap();
        let url = url(&directory.path().join("canary.db"));
        let starts = (0..8).map(|_| {
            let url = url.clone();
            tokio::spawn(async move { SqlStore::connect(&url).await })
        });
        let stores: Vec<_> = futures_util::future::join_all(starts).await;
        for store in stores {
            store.unwrap().unwrap();
        }
        let db = Database::connect(&url).await.unwrap();
        assert_eq!(text(&db, "SELECT CAST(count(*) AS TEXT) FROM gateway_migrations").await, "7");
        assert_eq!(text(&db, "SELECT CAST(count(*) AS TEXT) FROM gateway_revision").await, "1");
    }
}

#[tokio::test]
async fn missing_migrations_are_named_and_not_run() {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    let error = SqlStore::with_connection(db.clone(), Migrations::VerifyOnly).await.unwrap_err();
    assert!(error.to_string().contains("gateway_0001_create_service_config"), "{error}");
    assert_eq!(text(&db, "SELECT name FROM sqlite_master").await, "");
    SqlStore::with_connection(db.clone(), Migrations::Auto).await.unwrap();
    SqlStore::with_connection(db, Migrations::VerifyOnly).await.unwrap();
}

#[tokio::test]
async fn a_host_runs_the_migrations_among_its_own() {
    struct Host;
    impl MigratorTrait for Host {
        fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
            migrations()
        }
    }
    let db = Database::connect("sqlite::memory:").await.unwrap();
    Host::up(&db, None).await.unwrap();
    let store = SqlStore::with_connection(db, Migrations::Manual).await.unwrap();
    two_versions(&store).await;
}

#[tokio::test]
async fn a_table_that_was_not_made_here_is_not_built_upon() {
    let directory = tempfile::tempdir().unwrap();
    let url = url(&directory.path().join("canary.db"));
    let db = Database::connect(&url).await.unwrap();
    db.execute_unprepared("CREATE TABLE gateway_revision (x TEXT)").await.unwrap();
    let error = refused(&url).await;
    assert!(error.source().unwrap().to_string().contains("already exists"), "{error:?}");
    assert_eq!(text(&db, "SELECT name FROM sqlite_master WHERE type = 'table'").await, "gateway_revision");
}

#[tokio::test]
async fn a_bad_url_says_what_to_write() {
    for bad in ["canary.db", "", "sqlite:", "sqlite://", "/var/lib/canary.db", "C:\\canary.db"] {
        let said = refused(bad).await.to_string();
        assert!(
            said.contains("sqlite://canary.db?mode=rwc") || said.contains("no driver for C"),
            "{bad}: {said}"
        );
    }
    for bad in ["sqlite://x.db?mode=maybe", "sqlite://x.db?key=s3cret"] {
        let error = refused(bad).await;
        assert!(error.to_string().contains("not understood"), "{error}");
    }
}

#[tokio::test]
async fn a_password_is_never_shown() {
    for url in ["oracle://me:s3cret@db/canary", "//me:s3cret@db", "sqlite://me:s3cret@db/canary.db"] {
        let error = refused(url).await;
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_created_says_so() {
    for file in
        ["/proc/canary.db?mode=rwc", "/no/such/directory/canary.db?mode=rwc", "/tmp/no-such-canary.db"]
    {
        let said = refused(&format!("sqlite://{file}")).await.to_string();
        assert!(said.contains("directory") && said.contains("mode=rwc"), "{said}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_written_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("canary.db");
    let db = Database::connect(url(&file)).await.unwrap();
    db.execute_unprepared("CREATE TABLE host (x TEXT)").await.unwrap();
    db.close().await.unwrap();
    let error = refused(&format!("sqlite://{}?mode=ro", file.display())).await;
    assert!(error.to_string().contains("cannot be written"), "{error} {error:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("canary.db");
    std::fs::write(&file, "not a database at all, but long enough to be looked at".repeat(100)).unwrap();
    let error = refused(&url(&file)).await;
    assert!(error.to_string().contains("damaged or is no SQLite database"), "{error}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_refused_or_unavailable() {
    let store = in_a_file().await;
    two_versions(&store).await;
    let InAFile { store, directory } = store;
    let file = directory.path().join("canary.db");
    Database::connect(url(&file))
        .await
        .unwrap()
        .execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)")
        .await
        .unwrap();
    drop(store);
    let whole = std::fs::read(&file).unwrap();
    for keep in [100, 5_000, whole.len() / 2, whole.len() - 4_096] {
        let cut = directory.path().join(format!("cut-{keep}.db"));
        std::fs::write(&cut, &whole[..keep]).unwrap();
        match SqlStore::connect(&url(&cut)).await {
            Err(error) => assert!(error.to_string().contains("damaged"), "{keep}: {error} {error:?}"),
            Ok(store) => match store.load(0).await {
                Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{keep}: {error:?}"),
                Ok(loaded) => loaded.splits.iter().for_each(assert_totals),
            },
        }
    }
}

#[tokio::test]
async fn a_locked_file_is_unavailable_within_three_seconds_and_still_read() {
    let store = in_a_file().await;
    two_versions(&store).await;
    let other = Database::connect(store.url()).await.unwrap();
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();

    let start = Instant::now();
    let request = by_alice(set_weight("v1.1", "10"));
    let service = auth();
    let (one, two) = futures_util::join!(store.apply(&service, &request), store.apply(&service, &request));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    for refused in [one, two] {
        let error = refused.unwrap_err();
        assert_eq!(error.to_string(), "the store is unavailable: what it held is served on; try again");
        assert!(error.source().is_some(), "{error:?}");
    }
    assert_eq!(store.load(0).await.unwrap().splits[0].generation(), 2);
    assert_eq!(store.history(&service, None, 9).await.unwrap().len(), 2);

    other.execute_unprepared("ROLLBACK").await.unwrap();
    assert_eq!(apply(&store, set_weight("v1.1", "10")).await.after.generation(), 3);
}

#[tokio::test]
async fn a_change_that_is_given_up_leaves_no_transaction_open() {
    let store = in_a_file().await;
    two_versions(&store).await;
    let (service, request) = (auth(), by_alice(set_weight("v1.1", "10")));
    for micros in (0..3_000).step_by(50) {
        let change = store.apply(&service, &request);
        let _ = tokio::time::timeout(Duration::from_micros(micros), change).await;
        apply(&store, Change::Switch { version: version("v1.0") }).await;
    }
    let last = store.load(0).await.unwrap();
    assert_eq!(last.revision, last.splits[0].generation());
    assert_eq!(store.history(&service, None, 1_000).await.unwrap().len() as u64, last.revision);
}

/// Prints how many changes a second one writer makes, and how long reading many services takes.
#[tokio::test]
#[ignore = "a measurement: run it in release with --run-ignored all --no-capture"]
async fn measure() {
    let store = in_a_file().await;
    two_versions(&store).await;
    let (changes, start) = (3_000_u32, Instant::now());
    for step in 0..changes {
        apply(&store, set_weight("v1.1", &(1 + step % 99).to_string())).await;
    }
    println!("changes per second: {:.0}", f64::from(changes) / start.elapsed().as_secs_f64());

    let start = Instant::now();
    for _ in 0..changes {
        store.load(u64::from(changes) + 1).await.unwrap();
    }
    println!("load when nothing changed: {:?}", start.elapsed() / changes);

    let many = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 10001)
        INSERT INTO gateway_service_config SELECT i, 'service-' || i, 3, i, 'v1:10000', NULL, 3, 0, 0 FROM n;
        INSERT INTO gateway_service_version SELECT printf('%08x-0000-8000-8000-00000000000', s.id) || v.i, s.id, 'v' || v.i,
        'http://10.0.0.' || v.i || ':8080', (v.i = 1) * 10000, 1, v.i, 0, 0
        FROM gateway_service_config s, (SELECT 1 AS i UNION SELECT 2 UNION SELECT 3) v WHERE s.id > 1";
    store.by_hand(many).await;
    for _ in 0..5 {
        let start = Instant::now();
        let loaded = store.load(0).await.unwrap();
        println!(
            "load of {} services: {:?}, {} broken",
            loaded.splits.len(),
            start.elapsed(),
            loaded.broken.len()
        );
    }
}
