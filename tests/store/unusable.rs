//! Databases that work, but not for the store.

use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tower_canary::store::sql::{Migrations, SqlStore, migrations};
use tower_canary::store::{ReplicaRegistry, Report, RouteStore, StoreError};

use crate::databases::{Kind, TestDatabase, TestUser};
use crate::sql::{Opened, open_with_two_versions};
use crate::support::{apply, auth, by_alice, set_weight, two_versions};

crate::on_sqlite! { missing_table_is_permanent }
crate::on_mysql! { missing_table_is_permanent missing_right_is_permanent four_rights_suffice }
crate::on_postgres! {
    missing_table_is_permanent
    missing_right_is_permanent
    four_rights_suffice
    schema_of_the_url_is_used
    unstorable_text_is_refused
}

/// Returns the remedy of a change that is refused for good.
async fn remedy(store: &SqlStore) -> &'static str {
    match store.commit(&auth(), &by_alice(set_weight("v1.1", "10"))).await {
        Err(StoreError::Unusable { remedy, .. }) => remedy,
        other => panic!("{other:?}"),
    }
}

async fn missing_table_is_permanent(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    store.database.by_hand("DROP TABLE gateway_split_change").await;
    assert!(remedy(&store).await.contains("run the migrations"));
}

/// Grants rights on all tables, and on their sequences if rows may be inserted.
async fn grant(opened: &Opened, user: &TestUser, rights: &str) {
    let name = &user.name;
    let statements = match opened.database.kind {
        Kind::Postgres => format!(
            "GRANT {rights} ON ALL TABLES IN SCHEMA public TO {name};
            GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}"
        ),
        _ => format!("GRANT {rights} ON {}.* TO {name}", opened.database.name),
    };
    opened.database.by_hand(&statements).await;
}

// It may read, so the gateway serves.
async fn missing_right_is_permanent(kind: Kind) {
    let user = TestUser::new(kind).await;
    let store = open_with_two_versions(kind).await;
    grant(&store, &user, "SELECT").await;
    let reader = SqlStore::connect(&user.url_of(&store.database, TestUser::PASSWORD)).await.unwrap();
    assert_eq!(reader.load(0).await.unwrap().revision, 2);
    assert!(remedy(&reader).await.contains("grant the rights"));
    let report = reader.report(&Report::new("1", "a", 2)).await;
    assert!(matches!(report, Err(StoreError::Unusable { .. })), "{report:?}");
}

async fn four_rights_suffice(kind: Kind) {
    let user = TestUser::new(kind).await;
    let store = open_with_two_versions(kind).await;
    grant(&store, &user, "SELECT, INSERT, UPDATE, DELETE").await;
    let pool = sea_orm::Database::connect(user.url_of(&store.database, TestUser::PASSWORD)).await.unwrap();
    let writer = SqlStore::with_connection(pool, Migrations::VerifyOnly).await.unwrap();
    assert_eq!(apply(&writer, set_weight("v1.1", "10")).await.revision, 3);
    writer.report(&Report::new("1", "a", 3)).await.unwrap();
}

async fn schema_of_the_url_is_used(kind: Kind) {
    let store = open_with_two_versions(kind).await;
    store.database.by_hand("CREATE SCHEMA other").await;
    for query in ["options=-csearch_path%3Dother", "options[search_path]=other"] {
        let url = format!("{}?{query}", store.database.url);
        let other = SqlStore::connect(&url).await.unwrap();
        assert!(other.load(0).await.unwrap().splits.is_empty());
    }
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        migrations()
    }
}

// The application migrates by itself, so the start checks nothing.
async fn unstorable_text_is_refused(kind: Kind) {
    let database = TestDatabase::in_latin_1(kind).await;
    let pool = database.connect().await;
    Migrator::up(&pool, None).await.unwrap();
    let store = SqlStore::with_connection(pool, Migrations::Manual).await.unwrap();
    two_versions(&store).await;
    let request = by_alice(set_weight("v1.1", "10")).with_reason("\u{1f426}");
    let refused = store.commit(&auth(), &request).await;
    assert!(matches!(refused, Err(StoreError::Unstorable(_))), "{refused:?}");
    assert_eq!(apply(&store, set_weight("v1.1", "10")).await.revision, 3);
}
