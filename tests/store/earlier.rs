//! A gateway of the release before, which knew one URL of a version, and neither `more_urls` nor `draining_urls`: its
//! statements as it sends them, with values in place of parameters, and with rows chosen by name instead of by id.

use sea_orm::sea_query::IntoIden;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, DynIden};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tower_canary::store::sql::migrations;

use crate::databases::{Kind, TestDatabase, try_text};

/// The migrations of the release before.
struct EarlierMigrator;

impl MigratorTrait for EarlierMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        migrations().into_iter().take(13).collect()
    }

    fn migration_table_name() -> DynIden {
        "gateway_migrations".into_iden()
    }
}

/// A gateway of the release before, by its statements.
#[derive(Clone, Debug)]
pub(crate) struct Earlier {
    kind: Kind,
    pub(crate) db: DatabaseConnection,
}

impl Earlier {
    pub(crate) async fn connect(database: &TestDatabase) -> Self {
        let db = database.connect().await;
        if database.kind == Kind::MySql {
            // MySQL has identifiers in backticks. It reads them in double quotes too.
            db.execute_unprepared("SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES'").await.unwrap();
        }
        Self { kind: database.kind, db }
    }

    /// Creates the tables of its release.
    pub(crate) async fn create_tables(&self) {
        EarlierMigrator::up(&self.db, None).await.unwrap();
    }

    pub(crate) async fn execute(&self, sql: &str) -> Result<u64, DbErr> {
        Ok(self.db.execute_unprepared(sql).await?.rows_affected())
    }

    /// Loads the versions of `auth`: name, URL and weight of each, in the order of their registration. Repeats it after a
    /// collision, as the release reads them again with its next poll. On PostgreSQL a migration collides with no read.
    pub(crate) async fn load(&self) -> Vec<(String, String, u32)> {
        let mut json = try_text(&self.db, &select_services(self.kind)).await;
        while let Err(error) = &json {
            assert!(self.kind != Kind::Postgres && is_collision(error), "{error}");
            json = try_text(&self.db, &select_services(self.kind)).await;
        }
        let json = json.unwrap();
        let mut rows: Vec<Vec<String>> = serde_json::from_str(&json).unwrap();
        rows.sort_by_key(|row| row[5].parse::<u64>().unwrap());
        let columns = rows.into_iter().map(|row| {
            assert_eq!(row.len(), 8, "{row:?}");
            (row[1].clone(), row[2].clone(), row[3].parse().unwrap())
        });
        columns.collect()
    }

    /// Makes a change to `generation` that executes `statements` on the versions. Retries after a collision.
    pub(crate) async fn commit(&self, generation: u64, slots: &str, statements: &[String]) {
        for _ in 0..5 {
            match self.try_commit(generation, slots, statements).await {
                Ok(()) => return,
                Err(error) => {
                    assert!(is_collision(&error), "{error}");
                    let _ = self.execute("ROLLBACK").await;
                }
            }
        }
        panic!("it collides again and again");
    }

    async fn try_commit(&self, generation: u64, slots: &str, statements: &[String]) -> Result<(), DbErr> {
        for statement in begin(self.kind) {
            self.execute(&statement).await?;
        }
        let service = [NEXT_REVISION.to_owned(), update_service(generation, slots)];
        let history = [insert_change(generation)];
        for statement in service.iter().chain(statements).chain(&history) {
            assert_eq!(self.execute(statement).await?, 1, "{statement}");
        }
        self.execute("COMMIT").await.map(drop)
    }
}

/// Begins a transaction, locks the service and reads it.
fn begin(kind: Kind) -> Vec<String> {
    let begin = match kind {
        Kind::Sqlite => &["BEGIN IMMEDIATE"][..],
        Kind::Postgres | Kind::MySql => &["BEGIN", LOCK_SERVICE],
    };
    begin.iter().map(ToString::to_string).chain([select_services(kind)]).collect()
}

/// Returns whether the release retries after `error`.
fn is_collision(error: &DbErr) -> bool {
    let text = error.to_string();
    ["locked", "deadlock", "Deadlock", "Lock wait"].iter().any(|words| text.contains(words))
}

const LOCK_SERVICE: &str = r#"SELECT "gateway_service_config"."id", "gateway_service_config"."service_name", "gateway_service_config"."generation", "gateway_service_config"."salt", "gateway_service_config"."slots", "gateway_service_config"."health_path", "gateway_service_config"."revision", "gateway_service_config"."created_at", "gateway_service_config"."updated_at", "gateway_service_config"."epoch", "gateway_service_config"."last_change" FROM "gateway_service_config" WHERE "gateway_service_config"."service_name" = 'auth' LIMIT 1 FOR UPDATE"#;

const NEXT_REVISION: &str =
    r#"UPDATE "gateway_revision" SET "revision" = "revision" + 1 WHERE "gateway_revision"."id" = 1"#;

/// Selects the JSON of the versions. The release selects the columns of the service as well.
fn select_services(kind: Kind) -> String {
    let (aggregate, array, text) = match kind {
        Kind::Sqlite => ("json_group_array", "json_array", "TEXT"),
        Kind::Postgres => ("json_agg", "json_build_array", "TEXT"),
        Kind::MySql => ("JSON_ARRAYAGG", "JSON_ARRAY", "CHAR"),
    };
    let columns = ["id", "version", "url", "weight", "is_active", "position", "created_at", "updated_at"];
    let columns = columns.map(|column| format!("CAST({column} AS {text})")).join(", ");
    format!(
        r#"SELECT (SELECT CAST({aggregate}({array}({columns})) AS {text}) FROM gateway_service_version WHERE service_id = gateway_service_config.id) AS "versions", "id", "service_name", "generation", "salt", "slots", "health_path", "epoch", "last_change" FROM "gateway_service_config" WHERE "service_name" = 'auth'"#
    )
}

fn update_service(generation: u64, slots: &str) -> String {
    let last_change = format!(r#"{{"actor":"bob","at":0,"generation":{generation}}}"#);
    let before = generation - 1;
    format!(
        r#"UPDATE "gateway_service_config" SET "generation" = {generation}, "salt" = 7, "slots" = '{slots}', "health_path" = NULL, "revision" = (SELECT "revision" FROM "gateway_revision"), "updated_at" = 5, "epoch" = 0, "last_change" = '{last_change}' WHERE "gateway_service_config"."id" = 1 AND "gateway_service_config"."generation" = {before}"#
    )
}

/// The entry has the first URLs, which are all that the release knows.
fn insert_change(generation: u64) -> String {
    let share = r#"[{"active":true,"urls":["http://10.0.0.1"],"version":"v1.0","weight":10000}]"#;
    let details = r#"{"actorKind":"person","after":{"healthPath":null,"pinEpoch":0},"before":{"healthPath":null,"pinEpoch":0}}"#;
    format!(
        r#"INSERT INTO "gateway_split_change" ("service_id", "generation", "actor", "reason", "kind", "version", "split_before", "split_after", "changed_at", "details") VALUES (1, {generation}, 'bob', NULL, 'set-weight', 'v1.0', '{share}', '{share}', 5, '{details}')"#
    )
}

/// Updates a version, as the release does after any change of it.
pub(crate) fn update_version(name: &str, url: &str, weight: u32) -> String {
    format!(
        r#"UPDATE "gateway_service_version" SET "url" = '{url}', "weight" = {weight}, "is_active" = TRUE, "updated_at" = 5 WHERE "gateway_service_version"."version" = '{name}'"#
    )
}

pub(crate) fn insert_version(name: &str, weight: u32, position: u64) -> String {
    format!(
        r#"INSERT INTO "gateway_service_version" ("id", "service_id", "version", "url", "weight", "is_active", "position", "created_at", "updated_at") VALUES ('00000000-0000-8000-8000-{position:012}', 1, '{name}', 'http://10.0.0.1', {weight}, TRUE, {position}, 5, 5)"#
    )
}

pub(crate) const DELETE_V1_1: &str =
    r#"DELETE FROM "gateway_service_version" WHERE "gateway_service_version"."version" = 'v1.1'"#;

/// Inserts or updates the row of a replica that drains `v1.0`.
pub(crate) fn upsert_replica(kind: Kind) -> String {
    let (now, conflict) = match kind {
        Kind::Sqlite => (
            "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
            r#"ON CONFLICT ("id") DO UPDATE SET "revision" = "excluded"."revision", "draining" = "excluded"."draining", "admin_url" = "excluded"."admin_url", "seen_at" = "excluded"."seen_at""#,
        ),
        Kind::Postgres => (
            "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
            r#"ON CONFLICT ("id") DO UPDATE SET "revision" = "excluded"."revision", "draining" = "excluded"."draining", "admin_url" = "excluded"."admin_url", "seen_at" = "excluded"."seen_at""#,
        ),
        Kind::MySql => (
            "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
            r#"ON DUPLICATE KEY UPDATE "revision" = VALUES("revision"), "draining" = VALUES("draining"), "admin_url" = VALUES("admin_url"), "seen_at" = VALUES("seen_at")"#,
        ),
    };
    format!(
        r#"INSERT INTO "gateway_replica" ("id", "name", "revision", "draining", "admin_url", "seen_at") VALUES ('old', 'b', 2, '{{"auth":["v1.0"]}}', NULL, {now}) {conflict}"#
    )
}

/// Selects what a replica drains. The release selects its other columns too.
pub(crate) const SELECT_REPLICAS: &str = r#"SELECT "draining", "id", "name", "revision", "admin_url" FROM "gateway_replica" ORDER BY "name" ASC, "id" ASC"#;
