//! Rows that were edited by hand.

use sea_orm::ConnectionTrait;
use tower_canary::store::{RouteStore, StoreError};

use crate::databases::Kind;
use crate::sql::{open, open_with_two_versions};
use crate::support::{apply, auth, by_alice, register, set_weight, weight};

crate::on_every_database! {
    unreadable_row_affects_one_service
    unreadable_slots_are_rebuilt
    broken_split_is_not_changed
    database_refuses_invalid_weights
    edited_weights_are_scaled_and_stored
    edit_with_new_revision_is_loaded
    only_changed_rows_are_written
    conflicting_history_row_is_reported
}

async fn unreadable_row_affects_one_service(kind: Kind) {
    let edits = [
        ("UPDATE gateway_service_version SET weight = -5", "column weight: -5 is not a weight"),
        ("UPDATE gateway_service_version SET url = 'javascript:'", "column url: \"javascript:\""),
        ("UPDATE gateway_service_version SET version = 'V 1'", "column version: \"V 1\""),
        ("UPDATE gateway_service_version SET id = 'x'", "gateway_service_version row x, column id"),
        ("UPDATE gateway_service_config SET health_path = '//evil'", "column health_path"),
        ("UPDATE gateway_service_config SET generation = -1", "column generation"),
        (
            "UPDATE gateway_service_config SET service_name = 'Auth'",
            "gateway_service_config row 1, column service_name",
        ),
    ];
    // The columns of the other databases have types.
    let untyped = ("UPDATE gateway_service_version SET weight = 'much'", "column weight");
    let untyped = (kind == Kind::Sqlite).then_some(untyped);
    for (edit, expected) in edits.into_iter().chain(untyped) {
        let store = open(kind).await;
        apply(&*store, register("v1.0")).await;
        store.database.drop_checks().await;
        store.database.by_hand(edit).await;
        store.commit(&"orders".parse().unwrap(), &by_alice(register("v1.0"))).await.unwrap();
        let snapshot = store.load(0).await.unwrap();
        assert_eq!(snapshot.splits.len(), 1, "{edit}");
        assert_eq!(snapshot.splits[0].service().as_str(), "orders", "{edit}");
        assert!(snapshot.broken[0].reason.contains(expected), "{edit}: {:?}", snapshot.broken);
    }
}

// They are assigned from the weights.
async fn unreadable_slots_are_rebuilt(kind: Kind) {
    let store = open(kind).await;
    apply(&*store, register("v1.0")).await;
    store.database.by_hand("UPDATE gateway_service_config SET slots = 'v1.0:5'").await;
    let snapshot = store.load(0).await.unwrap();
    assert_eq!(snapshot.splits[0].slots().to_string(), "v1.0:10000");
}

async fn broken_split_is_not_changed(kind: Kind) {
    let store = open(kind).await;
    apply(&*store, register("v1.0")).await;
    store.database.by_hand("UPDATE gateway_service_version SET url = 'javascript:'").await;
    let refused = store.commit(&auth(), &by_alice(register("v1.1"))).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Broken(broken) if broken.service == "auth"), "{refused:?}");
    assert_eq!(store.load(0).await.unwrap().revision, 1);
}

async fn database_refuses_invalid_weights(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let db = store.database.connect().await;
    for weight in [-5, 10_001] {
        let sql = format!("UPDATE gateway_service_version SET weight = {weight}");
        assert!(db.execute_unprepared(&sql).await.is_err());
    }
}

// The next change stores them.
async fn edited_weights_are_scaled_and_stored(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let edit = "UPDATE gateway_service_version SET weight = 3000 WHERE version = 'v1.0';
        UPDATE gateway_service_version SET weight = 1000 WHERE version = 'v1.1'";
    store.database.by_hand(edit).await;
    let split = store.load(0).await.unwrap().splits.remove(0);
    assert_eq!(split.version("v1.1").unwrap().weight, weight("25"));
    let changed = apply(&*store, register("v1.2")).await.after;
    assert_eq!(store.load(0).await.unwrap().splits, [changed]);
    let stored = "SELECT CAST(weight AS CHAR(9)) FROM gateway_service_version ORDER BY version";
    assert_eq!(store.database.text(stored).await, "7500 2500 0");
}

async fn edit_with_new_revision_is_loaded(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let edit = "UPDATE gateway_service_version SET url = 'http://10.0.0.9' WHERE version = 'v1.0';
        UPDATE gateway_revision SET revision = revision + 1;
        UPDATE gateway_service_config SET revision = (SELECT revision FROM gateway_revision) WHERE service_name = 'auth'";
    store.database.by_hand(edit).await;
    let seen = store.load(2).await.unwrap();
    assert_eq!((seen.revision, seen.splits[0].versions()[0].backend().as_str()), (3, "http://10.0.0.9"));
}

async fn only_changed_rows_are_written(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    apply(&*store, register("v1.2")).await;
    let trigger = "CREATE TRIGGER t AFTER UPDATE ON gateway_service_version";
    let note = "INSERT INTO written VALUES (new.version)";
    let trigger = match kind {
        Kind::Sqlite => format!("{trigger} BEGIN {note}; END"),
        Kind::Postgres => format!(
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {note}; RETURN new; END';
            {trigger} FOR EACH ROW EXECUTE FUNCTION note()"
        ),
        Kind::MySql => format!("{trigger} FOR EACH ROW {note}"),
    };
    let db = store.database.connect().await;
    db.execute_unprepared("CREATE TABLE written (version VARCHAR(63))").await.unwrap();
    db.execute_unprepared(&trigger).await.unwrap();
    apply(&*store, set_weight("v1.1", "100")).await;
    let written = store.database.text("SELECT version FROM written ORDER BY version").await;
    assert_eq!(written, "v1.0 v1.1");
}

async fn conflicting_history_row_is_reported(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let insert = "INSERT INTO gateway_split_change
        (service_id, generation, actor, kind, split_before, split_after, changed_at)
        SELECT id, 3, 'hand', 'hand', '[]', '[]', 0 FROM gateway_service_config";
    store.database.by_hand(insert).await;
    let refused = store.commit(&auth(), &by_alice(set_weight("v1.1", "10"))).await.unwrap_err();
    let StoreError::Broken(broken) = refused else { panic!("{refused:?}") };
    assert_eq!(broken.service, "auth");
    assert!(broken.reason.contains("gateway_split_change"), "{}", broken.reason);
    assert_eq!(store.load(0).await.unwrap().revision, 2);
    store.commit(&"orders".parse().unwrap(), &by_alice(register("v1.0"))).await.unwrap();
    store.database.by_hand("DELETE FROM gateway_split_change WHERE actor = 'hand'").await;
    assert_eq!(apply(&*store, set_weight("v1.1", "10")).await.after.generation(), 3);
}
