//! Tests for SQLite files.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Database};
use tokio::time::timeout;
use tower_canary::store::sql::{ConnectError, SqlStore};
use tower_canary::store::{RouteStore, StoreError};
use tower_canary::{Deployments, NoVersionCheck};

use crate::databases::Kind;
use crate::sql::{open, open_with_two_versions};
use crate::support::{apply, assert_totals, auth, by_alice, set_weight, two_versions};

pub(crate) async fn in_memory() -> SqlStore {
    SqlStore::connect("sqlite::memory:").await.unwrap()
}

fn url(file: &Path) -> String {
    format!("sqlite://{}?mode=rwc", file.display())
}

async fn refused(url: &str) -> ConnectError {
    timeout(Duration::from_secs(10), SqlStore::connect(url)).await.unwrap().unwrap_err()
}

#[tokio::test]
async fn bad_url_error_shows_an_example() {
    for bad in ["canary.db", "", "sqlite:", "sqlite://", "/var/lib/canary.db", "C:\\canary.db"] {
        let message = refused(bad).await.to_string();
        assert!(
            message.contains("sqlite://canary.db?mode=rwc") || message.contains("no driver for C"),
            "{bad}: {message}"
        );
    }
    for bad in ["sqlite://x.db?mode=maybe", "sqlite://x.db?key=s3cret"] {
        let error = refused(bad).await;
        assert!(error.to_string().contains("not understood"), "{error}");
    }
}

#[tokio::test]
async fn password_is_never_shown() {
    for url in ["oracle://me:s3cret@db/canary", "//me:s3cret@db", "sqlite://me:s3cret@db/canary.db"] {
        let error = refused(url).await;
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

#[tokio::test]
async fn uncreatable_file_is_reported() {
    for file in
        ["/proc/canary.db?mode=rwc", "/no/such/directory/canary.db?mode=rwc", "/tmp/no-such-canary.db"]
    {
        let message = refused(&format!("sqlite://{file}")).await.to_string();
        assert!(message.contains("directory") && message.contains("mode=rwc"), "{message}");
    }
}

#[tokio::test]
async fn unwritable_file_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("canary.db");
    let db = Database::connect(url(&file)).await.unwrap();
    db.execute_unprepared("CREATE TABLE host (x TEXT)").await.unwrap();
    db.close().await.unwrap();
    let error = refused(&format!("sqlite://{}?mode=ro", file.display())).await;
    assert!(error.to_string().contains("cannot be written"), "{error} {error:?}");
}

#[tokio::test]
async fn non_database_file_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("canary.db");
    std::fs::write(&file, "not a database at all, but long enough to be looked at".repeat(100)).unwrap();
    let error = refused(&url(&file)).await;
    assert!(error.to_string().contains("damaged or is no SQLite database"), "{error}");
    assert!(error.source().is_some());
}

// It is refused, unavailable, or loaded with whole splits.
#[tokio::test]
async fn truncated_file_yields_no_bad_split() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("canary.db");
    let store = SqlStore::connect(&url(&file)).await.unwrap();
    two_versions(&store).await;
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

// Reads still work.
#[tokio::test]
async fn locked_file_is_unavailable_in_3_s() {
    let store = open_with_two_versions(Kind::Sqlite).await;
    let other = store.database.connect().await;
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();

    let request = by_alice(set_weight("v1.1", "10"));
    let service = auth();
    let both = futures_util::future::join(store.commit(&service, &request), store.commit(&service, &request));
    // Where the machine stands still, the time of the calls passes with this one, and the calls are looked at first.
    let (one, two) = timeout(Duration::from_secs(3), both).await.unwrap();
    for refused in [one, two] {
        let error = refused.unwrap_err();
        assert_eq!(error.to_string(), "the store is unavailable; existing routes stay in use; retry later");
        assert!(error.source().is_some(), "{error:?}");
    }
    assert_eq!(store.load(0).await.unwrap().splits[0].generation(), 2);
    assert_eq!(store.history(&service, None, 9).await.unwrap().len(), 2);

    other.execute_unprepared("ROLLBACK").await.unwrap();
    assert_eq!(apply(&*store, set_weight("v1.1", "10")).await.after.generation(), 3);
}

/// Packed rows give the same splits and the same flaws as single rows.
#[tokio::test]
async fn thousands_of_services_are_loaded() {
    let store = open(Kind::Sqlite).await;
    let many = "WITH RECURSIVE n(i) AS (SELECT -1500 UNION ALL SELECT i + 1 FROM n WHERE i < 1499)
        INSERT INTO gateway_service_config (id, service_name, generation, salt, slots, revision, created_at, updated_at)
        SELECT i * 3, 's' || (i + 1500), 1, i, 'v1:10000', 1, 0, 0 FROM n WHERE i % 7 <> 0;
        INSERT INTO gateway_service_version (id, service_id, version, url, weight, is_active, position, created_at, updated_at)
        SELECT printf('%08x-0000-8000-8000-000000000000', id & 4294967295), id, 'v1', 'http://10.0.0.1', 10000, 1, 1, 0, 0
        FROM gateway_service_config; UPDATE gateway_revision SET revision = 1";
    store.database.by_hand(many).await;
    let count = usize::try_from(store.database.count("gateway_service_config").await).unwrap();
    assert!(count > 2_000, "{count}");
    let all = store.load(0).await.unwrap();
    assert_eq!((all.splits.len(), all.broken), (count, vec![]));
    for (edit, expected) in [
        ("UPDATE gateway_service_version SET url = 'javascript:' WHERE service_id = 600", "column url"),
        ("UPDATE gateway_service_config SET salt = 'much' WHERE id = 600", "column salt"),
        (
            "UPDATE gateway_service_config SET service_name = CAST(x'ff' AS TEXT) WHERE id = 600",
            "service_name",
        ),
    ] {
        store.database.by_hand(edit).await;
        let loaded = store.load(0).await.unwrap();
        assert_eq!((loaded.splits.len(), loaded.broken.len()), (count - 1, 1), "{edit}");
        assert!(loaded.broken[0].reason.contains(expected), "{edit}: {:?}", loaded.broken);
    }
}

// There is no id after it that a next page could begin with.
#[tokio::test]
async fn service_with_the_greatest_id_is_loaded() {
    let store = open_with_two_versions(Kind::Sqlite).await;
    let columns = "id, service_name, generation, salt, slots, revision, created_at, updated_at";
    let values = "9223372036854775807, 'last', 1, 0, '', 1, 0, 0";
    let insert = format!("INSERT INTO gateway_service_config ({columns}) VALUES ({values})");
    store.database.by_hand(&insert).await;
    let loaded = timeout(Duration::from_secs(10), store.load(0)).await.unwrap().unwrap();
    let names: Vec<_> = loaded.splits.iter().map(|split| split.service().as_str()).collect();
    assert_eq!(names, ["auth", "last"]);
}

/// Prints the changes per second of one writer, and the time to read many services.
#[tokio::test]
#[ignore = "a measurement: run it in release with --run-ignored all --no-capture"]
async fn measure() {
    let store = open_with_two_versions(Kind::Sqlite).await;
    let changes = 3_000_u32;
    let start = Instant::now();
    for step in 0..changes {
        apply(&*store, set_weight("v1.1", &(1 + step % 99).to_string())).await;
    }
    println!("changes per second: {:.0}", f64::from(changes) / start.elapsed().as_secs_f64());

    let start = Instant::now();
    for _ in 0..changes {
        store.load(u64::from(changes) + 1).await.unwrap();
    }
    println!("load when nothing changed: {:?}", start.elapsed() / changes);

    let many = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 10001)
        INSERT INTO gateway_service_config
            (id, service_name, generation, salt, slots, health_path, revision, created_at, updated_at, epoch)
            SELECT i, 'service-' || i, 3, i, 'v1:10000', NULL, 3, 0, 0, 0 FROM n;
        INSERT INTO gateway_service_version
        (id, service_id, version, url, weight, is_active, position, created_at, updated_at)
        SELECT printf('%08x-0000-8000-8000-00000000000', s.id) || v.i, s.id, 'v' || v.i,
        'http://10.0.0.' || v.i || ':8080', (v.i = 1) * 10000, 1, v.i, 0, 0
        FROM gateway_service_config s, (SELECT 1 AS i UNION SELECT 2 UNION SELECT 3) v WHERE s.id > 1";
    store.database.by_hand(many).await;
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

#[tokio::test]
async fn last_error_of_a_duty_names_its_cause_once() {
    let opened = open(Kind::Sqlite).await;
    let deployments = Deployments::start(opened.clone(), NoVersionCheck).await.unwrap();
    opened.database.by_hand("DROP TABLE gateway_revision").await;
    let has_failed = async {
        while deployments.duties().first().is_none_or(|duty| duty.last_error.is_none()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let run = deployments.clone().run_every(Duration::from_millis(10), has_failed);
    timeout(Duration::from_secs(15), run).await.unwrap();
    let error = deployments.duties()[0].last_error.clone().unwrap();
    assert_eq!(error.matches("no such table").count(), 1, "{error}");
}
