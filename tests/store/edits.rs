//! Rows that were edited by hand.

use sea_orm::ConnectionTrait;
use tower_canary::routing::{Change, Split};
use tower_canary::store::{Refusal, RouteStore, Snapshot, StoreError};
use tower_canary::{Backend, Deployments, NoVersionCheck};

use crate::databases::Kind;
use crate::sql::{Opened, open, open_with_two_versions};
use crate::support::{apply, auth, by_alice, register, set_weight, version, weight};

crate::on_every_database! {
    unreadable_row_affects_one_service
    unreadable_slots_are_rebuilt
    lost_versions_keep_the_last_good_route
    service_without_versions_has_no_slots
    broken_split_is_not_changed
    database_refuses_invalid_weights
    edited_weights_are_scaled_and_stored
    edit_with_new_revision_is_loaded
    edited_base_urls_are_loaded
    too_many_base_urls_are_reported
    only_changed_rows_are_written
    conflicting_history_row_is_reported
    unreadable_change_hides_no_other
    unreadable_refusal_hides_no_other
    rows_of_an_earlier_release_are_read
    earlier_release_starts_a_removed_service
    deleted_service_starts_clean
}

async fn unreadable_row_affects_one_service(kind: Kind) {
    let edits = [
        ("UPDATE gateway_service_version SET weight = -5", "column weight: -5 is not a weight"),
        ("UPDATE gateway_service_version SET url = 'javascript:'", "column url: \"javascript:\""),
        ("UPDATE gateway_service_version SET more_urls = '[\"ftp://a\"]'", "column more_urls: \"ftp://a\""),
        ("UPDATE gateway_service_version SET more_urls = '{\"a\": 1}'", "column more_urls"),
        ("UPDATE gateway_service_version SET more_urls = ''", "column more_urls"),
        ("UPDATE gateway_service_version SET version = 'V 1'", "column version: \"V 1\""),
        ("DELETE FROM gateway_service_version", "column slots: its slots belong to versions"),
        ("UPDATE gateway_service_version SET id = 'x'", "gateway_service_version row x, column id"),
        ("UPDATE gateway_service_config SET health_path = '//evil'", "column health_path"),
        ("UPDATE gateway_service_config SET generation = -1", "column generation"),
        ("UPDATE gateway_service_config SET last_change = '{'", "column last_change"),
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

/// Returns the loads of a gateway that read the store before its last change, and of one that starts.
async fn loads(store: &Opened) -> [Snapshot; 2] {
    let revision = store.load(0).await.unwrap().revision;
    [store.load(revision - 1).await.unwrap(), store.load(0).await.unwrap()]
}

// A damaged file can have lost them.
async fn lost_versions_keep_the_last_good_route(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let deployments = Deployments::start(store.another().await, NoVersionCheck).await.unwrap();
    let loss = "DELETE FROM gateway_service_version;
        UPDATE gateway_revision SET revision = revision + 1;
        UPDATE gateway_service_config SET revision = (SELECT revision FROM gateway_revision)";
    store.database.by_hand(loss).await;
    for loaded in loads(&store).await {
        assert_eq!((loaded.splits.len(), &*loaded.broken[0].service), (0, "auth"));
    }
    deployments.refresh().await.unwrap();
    assert_eq!(deployments.handle().route("auth").unwrap().split().versions().len(), 2);
    let refused = store.commit(&auth(), &by_alice(register("v1.2"))).await.unwrap_err();
    assert_broken(&refused);
}

fn assert_broken(refused: &StoreError) {
    assert!(matches!(refused, StoreError::Broken(broken) if broken.service == "auth"), "{refused:?}");
}

/// Asserts that the only service, which has no versions, is stored without slots and loaded as `split`.
async fn assert_no_slots(store: &Opened, split: &Split) {
    assert!(split.versions().is_empty());
    assert_eq!(store.database.text("SELECT slots FROM gateway_service_config").await, "");
    for loaded in loads(store).await {
        assert_eq!((loaded.splits, loaded.broken), (vec![split.clone()], Vec::new()));
    }
}

async fn service_without_versions_has_no_slots(kind: Kind) {
    let store = open(kind).await;
    apply(&*store, register("v1.0")).await;
    apply(&*store, Change::force_deactivate(version("v1.0"))).await;
    let without_its_last = apply(&*store, Change::remove(version("v1.0"))).await.after;
    assert_no_slots(&store, &without_its_last).await;

    assert!(apply(&*store, register("v1.0")).await.after.has_active());
    let removed = apply(&*store, Change::force_remove_service()).await.after;
    assert_no_slots(&store, &removed).await;
    assert!(apply(&*store, register("v1.0")).await.after.has_active());
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

/// Edits of `more_urls` of a version at `http://10.0.0.1:8080/base`, and the base URLs after the first.
const MORE_URLS: [(&str, &[&str]); 5] = [
    (r#"'["http://10.0.0.2", "http:\u002f\u002f10.0.0.3/"]'"#, &["http://10.0.0.2", "http://10.0.0.3/"]),
    (r#"'["http://10.0.0.2", "http://10.0.0.1:8080/base/", "http://10.0.0.2/"]'"#, &["http://10.0.0.2"]),
    (r#"'["http://10.0.0.1:8080/base"]'"#, &[]),
    ("'[]'", &[]),
    ("NULL", &[]),
];

async fn edited_base_urls_are_loaded(kind: Kind) {
    for (edit, expected) in MORE_URLS {
        let store = open_with_two_versions(kind).await;
        // MySQL reads a backslash in a text as the start of an escape.
        let edit = if kind == Kind::MySql { edit.replace('\\', "\\\\") } else { edit.to_owned() };
        let update = format!("UPDATE gateway_service_version SET more_urls = {edit} WHERE version = 'v1.0'");
        store.database.by_hand(&update).await;
        let split = store.load(0).await.unwrap().splits.remove(0);
        assert_eq!(more_urls_of(&split), expected, "{edit}");
        assert_stored_by_next_change(&store, expected).await;
    }
}

/// Asserts that a change of the version stores its base URLs after the first in their own form.
async fn assert_stored_by_next_change(store: &Opened, expected: &[&str]) {
    let changed = apply(&**store, set_weight("v1.1", "10")).await.after;
    assert_eq!(more_urls_of(&changed), expected);
    assert_eq!(store.load(0).await.unwrap().splits, [changed]);
    let stored = "SELECT COALESCE(more_urls, 'NULL') FROM gateway_service_version WHERE version = 'v1.0'";
    let form = if expected.is_empty() { "NULL".to_owned() } else { serde_json::json!(expected).to_string() };
    assert_eq!(store.database.text(stored).await, form);
}

fn more_urls_of(split: &Split) -> Vec<&str> {
    split.versions()[0].instances.iter().skip(1).map(Backend::as_str).collect()
}

async fn too_many_base_urls_are_reported(kind: Kind) {
    let store = open(kind).await;
    apply(&*store, register("v1.0")).await;
    let urls: Vec<_> = (0..64).map(|i| format!("http://10.0.1.{i}")).collect();
    let json = serde_json::json!(urls);
    store.database.by_hand(&format!("UPDATE gateway_service_version SET more_urls = '{json}'")).await;
    let broken = store.load(0).await.unwrap().broken.remove(0);
    assert!(broken.reason.contains("column more_urls: 65 base URLs are too many"), "{}", broken.reason);
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

/// Edits of a row of the history after which it cannot be read.
fn unreadable_changes() -> [(&'static str, String); 6] {
    let deep = "[".repeat(200);
    [
        ("details", r#"{"before": 7}"#.into()),
        ("details", r#"{"actorKind": {"person": true}}"#.into()),
        ("details", r#"{"after": {"healthPath": "//evil"}, "before": {"pinEpoch": -1}}"#.into()),
        ("split_after", r#"[{"version": "v1.0", "weight": 70000, "active": true}]"#.into()),
        ("split_before", deep),
        ("version", "V 1".into()),
    ]
}

async fn unreadable_change_hides_no_other(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    for weight in ["10", "20", "30", "40"] {
        apply(&*store, set_weight("v1.1", weight)).await;
    }
    for (column, value) in unreadable_changes() {
        let edit = format!("UPDATE gateway_split_change SET {column} = '{value}' WHERE generation IN (4, 5)");
        store.database.by_hand(&edit).await;
        let page = store.history(&auth(), None, 2).await.unwrap();
        let generations: Vec<_> = page.iter().map(|entry| entry.generation).collect();
        assert_eq!(generations, [6, 3], "{value}");
        assert_eq!(store.history(&auth(), Some(6), 9).await.unwrap().len(), 3, "{value}");
    }
}

async fn unreadable_refusal_hides_no_other(kind: Kind) {
    let store = open(kind).await;
    let log = store.refusal_log().unwrap();
    let refusal = Refusal::new(&auth(), &by_alice(set_weight("v1.1", "10")), None, &"no");
    for _ in 0..4 {
        log.record_refusal(&refusal).await.unwrap();
    }
    store.database.by_hand("UPDATE gateway_refused_change SET details = '7' WHERE id IN (2, 4)").await;
    let page = log.refusals(&auth(), None, 1).await.unwrap();
    assert_eq!(page.iter().map(|refusal| refusal.id).collect::<Vec<_>>(), [3]);
}

// It wrote no URLs and no details.
async fn rows_of_an_earlier_release_are_read(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let share = r#"{"version":"v1.0","weight":10000,"active":true}"#;
    store
        .database
        .by_hand(&format!(
            "UPDATE gateway_split_change SET split_after = '[{share}]', details = NULL WHERE generation = 2;
            UPDATE gateway_service_config SET last_change = NULL"
        ))
        .await;
    let entry = store.history(&auth(), None, 1).await.unwrap().remove(0);
    assert_eq!((entry.after.len(), &entry.after[0].instances), (1, &None));
    assert_eq!((entry.settings_after, entry.actor_kind, entry.request_id), (None, None, None));
    let split = store.load(0).await.unwrap().splits.remove(0);
    assert_eq!((split.is_removed(), split.last_change()), (false, None));
    let earlier = &store.history(&auth(), None, 2).await.unwrap()[1];
    assert_eq!(earlier.after[0].instances.as_ref(), Some(&split.versions()[0].instances));
}

// It does not know that the service is removed.
async fn earlier_release_starts_a_removed_service(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    apply(&*store, Change::force_remove_service()).await;
    let register = "UPDATE gateway_revision SET revision = 4;
        UPDATE gateway_service_config SET generation = 4, revision = 4, slots = 'v2:10000';
        INSERT INTO gateway_service_version (id, service_id, version, url, weight, is_active, position, created_at, updated_at)
        SELECT '67e55044-10b1-826f-9247-bb680e5fe0c8', id, 'v2', 'http://10.0.0.2', 10000, TRUE, 4, 0, 0
        FROM gateway_service_config";
    store.database.by_hand(register).await;
    let split = store.load(3).await.unwrap().splits.remove(0);
    assert_eq!((split.is_removed(), split.versions().len(), split.generation()), (false, 1, 4));
    assert_eq!(apply(&*store, set_weight("v2", "100")).await.after, split);
}

// A gateway notices it with the next change that it is asked for.
async fn deleted_service_starts_clean(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    let deployments = Deployments::start(store.another().await, NoVersionCheck).await.unwrap();
    let served = || deployments.handle().route("auth").map(|route| route.split().clone());
    let before = served();
    store.database.by_hand("DELETE FROM gateway_service_config").await;
    deployments.apply(&auth(), by_alice(set_weight("v1.1", "10"))).await.unwrap_err();
    assert_eq!(served(), None);
    let again = deployments.apply(&auth(), by_alice(register("v1.0"))).await.unwrap().after;
    assert!(again.generation() == 1 && before.is_some_and(|before| before.salt() != again.salt()));
    assert_eq!(served(), Some(again));
}
