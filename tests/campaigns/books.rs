//! Invariants of the stored rows, whatever happened to the gateways that wrote them.

use sea_orm::{ConnectionTrait, DatabaseConnection, QueryResult, Statement};

use crate::databases::{Kind, TestDatabase};

/// Asserts that every split totals 100 percent or has no active version, that histories have no gaps, that
/// the revision is the number of changes, and that the database finds its own files intact.
pub(crate) async fn assert_balanced(database: &TestDatabase) {
    let db = database.connect().await;
    assert_balanced_in(&db, database.kind).await;
    db.close().await.unwrap();
}

pub(crate) async fn assert_balanced_in(db: &DatabaseConnection, kind: Kind) {
    let mut changes = 0;
    for service in rows(db, "SELECT id, generation FROM gateway_service_config").await {
        let id: i64 = number(&service, 0);
        let generation: i64 = number(&service, 1);
        assert_split(db, id).await;
        let history =
            format!("SELECT generation FROM gateway_split_change WHERE service_id = {id} ORDER BY 1");
        let history: Vec<_> = rows(db, &history).await.iter().map(|row| number(row, 0)).collect();
        assert_eq!(history, (1..=generation).collect::<Vec<_>>(), "the history of service {id}");
        changes += generation;
    }
    let revision = rows(db, "SELECT revision FROM gateway_revision").await;
    assert_eq!(revision.iter().map(|row| number(row, 0)).collect::<Vec<_>>(), [changes]);
    assert_sound(db, kind).await;
}

async fn assert_split(db: &DatabaseConnection, service: i64) {
    let versions =
        format!("SELECT weight, is_active FROM gateway_service_version WHERE service_id = {service}");
    let mut total = 0;
    let mut any_active = false;
    for row in rows(db, &versions).await {
        let (weight, active): (i32, bool) =
            (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
        assert!(weight == 0 || active, "an inactive version of service {service} has {weight}");
        total += weight;
        any_active |= active;
    }
    assert_eq!(total, if any_active { 10_000 } else { 0 }, "service {service}");
}

/// Runs the integrity check of the database.
async fn assert_sound(db: &DatabaseConnection, kind: Kind) {
    match kind {
        Kind::Sqlite => {
            let verdict: String = rows(db, "PRAGMA integrity_check").await[0].try_get_by_index(0).unwrap();
            assert_eq!(verdict, "ok");
        }
        Kind::Postgres => assert_indexes(db).await,
        Kind::MySql => {
            let check = "CHECK TABLE gateway_service_config, gateway_service_version, gateway_split_change, \
                         gateway_revision EXTENDED";
            for row in rows(db, check).await {
                let verdict: String = row.try_get_by_index(3).unwrap();
                assert_eq!(verdict, "OK");
            }
        }
    }
}

/// Runs amcheck if the server has this extension.
async fn assert_indexes(db: &DatabaseConnection) {
    if db.execute_unprepared("CREATE EXTENSION IF NOT EXISTS amcheck").await.is_ok() {
        let check = "SELECT CAST(bt_index_check(c.oid, true) AS TEXT) FROM pg_class c \
                     JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_class t ON t.oid = i.indrelid \
                     WHERE t.relname LIKE 'gateway\\_%'";
        assert!(rows(db, check).await.len() >= 4);
    }
}

pub(crate) async fn rows(db: &DatabaseConnection, sql: &str) -> Vec<QueryResult> {
    db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap()
}

fn number(row: &QueryResult, column: usize) -> i64 {
    row.try_get_by_index(column).unwrap()
}
