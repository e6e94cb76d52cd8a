//! Creating the tables, and bringing them up to date.
//!
//! Each migration is one statement, because MySQL commits after every statement that defines something. None says `IF
//! NOT EXISTS`: a table that is there and was not made here is an error to be looked at, not to be built upon.

use async_trait::async_trait;
use sea_orm::sea_query::{
    ColumnDef, Expr, ExprTrait, ForeignKey, ForeignKeyAction, Index, IntoIden, Query, Table,
    TableCreateStatement,
};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, DynIden, EntityName,
    QueryResult, Statement, TransactionTrait,
};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager};

use super::entity::{change, revision, service, version};
use super::error::ConnectError;
use super::retry::{is_contention, pause};
use super::write;

/// Which migrations were run, beside the `seaql_migrations` of a host.
const TABLE: &str = "gateway_migrations";

/// What two processes that start at once agree on to take turns: any number that others hardly use.
const LOCK: i64 = 0x0074_6361_6e61_7279;

/// Who creates the tables and brings them up to date.
///
/// See [`SqlStore::with_connection`](super::SqlStore::with_connection) for an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Migrations {
    /// The store, under a lock, so that any number of processes may start at once.
    #[default]
    Auto,
    /// The host, with [`migrations`]. Nothing is looked at.
    Manual,
    /// Whoever has the right to: the store only makes sure that every migration was run.
    VerifyOnly,
}

/// The migrations of the store's tables in order, for a host that runs them among its own.
///
/// ```
/// use sea_orm_migration::{MigrationTrait, MigratorTrait};
/// use tower_canary::store::sql::{Migrations, SqlStore, migrations};
///
/// struct Migrator;
///
/// impl MigratorTrait for Migrator {
///     fn migrations() -> Vec<Box<dyn MigrationTrait>> {
///         let mut all: Vec<Box<dyn MigrationTrait>> = Vec::new(); // the host's own
///         all.extend(migrations());
///         all
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let db = sea_orm::Database::connect("sqlite::memory:").await?;
/// Migrator::up(&db, None).await?;
/// let store = SqlStore::with_connection(db, Migrations::Manual).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(Step { name: "gateway_0001_create_service_config", run: Run::Create(service_table) }),
        Box::new(Step { name: "gateway_0002_create_service_version", run: Run::Create(version_table) }),
        Box::new(Step { name: "gateway_0003_create_split_change", run: Run::Create(change_table) }),
        Box::new(Step { name: "gateway_0004_create_revision", run: Run::Create(revision_table) }),
        Box::new(Step { name: "gateway_0005_insert_revision", run: Run::InsertRevision }),
        Box::new(Step { name: "gateway_0006_index_service_revision", run: Run::IndexRevision }),
    ]
}

/// Why the tables are not as they should be.
pub(super) enum Unprepared {
    Missing(String),
    Database(DbErr),
}

impl Unprepared {
    /// As an error about the database called `shown`.
    pub(super) fn of(self, shown: &str) -> ConnectError {
        match self {
            Self::Missing(migration) => ConnectError::MissingMigration { migration },
            Self::Database(error) => ConnectError::unusable(shown, error),
        }
    }
}

impl From<DbErr> for Unprepared {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

pub(super) async fn prepare(db: &DatabaseConnection, migrations: Migrations) -> Result<(), Unprepared> {
    match migrations {
        Migrations::Manual => Ok(()),
        Migrations::VerifyOnly => missing(db).await?.map_or(Ok(()), |name| Err(Unprepared::Missing(name))),
        Migrations::Auto => loop {
            match run_missing(db).await {
                Err(error) if is_contention(&error) => pause().await,
                done => return Ok(done?),
            }
        },
    }
}

/// The first migration that was not run.
async fn missing(db: &DatabaseConnection) -> Result<Option<String>, DbErr> {
    let pending = Own::get_pending_migrations_read_only(db).await?;
    Ok(pending.first().map(|migration| migration.name().to_owned()))
}

/// Looks first, so that a start against tables that are up to date takes no lock.
async fn run_missing(db: &DatabaseConnection) -> Result<(), DbErr> {
    if missing(db).await?.is_none() {
        return Ok(());
    }
    let transaction = db.begin_with_options(write::options(db.get_database_backend())).await?;
    lock(&transaction).await?;
    let outcome = Own::up(&transaction, None).await;
    unlock(&transaction).await?;
    outcome?;
    transaction.commit().await
}

/// SQLite needs no more than its transaction, which locks the file.
async fn lock(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    match transaction.get_database_backend() {
        DbBackend::Postgres => {
            ask(transaction, format!("SELECT pg_advisory_xact_lock({LOCK})")).await.map(drop)
        }
        // Held by the connection, because what defines tables ends the transaction.
        DbBackend::MySql => {
            let row = ask(transaction, format!("SELECT GET_LOCK('{TABLE}', 1)")).await?;
            let got = row.map(|row| row.try_get_by_index::<Option<i64>>(0)).transpose()?.flatten();
            if got == Some(1) { Ok(()) } else { Err(DbErr::RecordNotUpdated) }
        }
        _ => Ok(()),
    }
}

async fn unlock(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    match transaction.get_database_backend() {
        DbBackend::MySql => ask(transaction, format!("SELECT RELEASE_LOCK('{TABLE}')")).await.map(drop),
        _ => Ok(()),
    }
}

async fn ask(transaction: &DatabaseTransaction, sql: String) -> Result<Option<QueryResult>, DbErr> {
    let statement = Statement::from_string(transaction.get_database_backend(), sql);
    transaction.query_one_raw(statement).await
}

/// The store's migrations with a table of their own. Not public, because it could also drop every table there is.
struct Own;

impl MigratorTrait for Own {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        migrations()
    }

    fn migration_table_name() -> DynIden {
        TABLE.into_iden()
    }
}

/// One migration: its name is what the database remembers it by.
struct Step {
    name: &'static str,
    run: Run,
}

enum Run {
    Create(fn(DbBackend) -> TableCreateStatement),
    InsertRevision,
    IndexRevision,
}

impl MigrationName for Step {
    fn name(&self) -> &str {
        self.name
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait is written so, and another form is another signature"
)]
#[async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        match self.run {
            Run::Create(table) => manager.create_table(table(manager.get_database_backend())).await,
            Run::InsertRevision => {
                let mut insert = Query::insert();
                insert.into_table(revision::Entity).columns(["id", "revision"]);
                insert.values_panic([revision::ONLY.into(), 0.into()]);
                manager.execute(insert).await
            }
            Run::IndexRevision => {
                let mut index = Index::create();
                index.name("gateway_service_config_revision").table(service::Entity).col("revision");
                manager.create_index(index).await
            }
        }
    }

    /// The row and the note that it is there are written together.
    fn use_transaction(&self) -> Option<bool> {
        matches!(self.run, Run::InsertRevision).then_some(true)
    }
}

fn service_table(backend: DbBackend) -> TableCreateStatement {
    Table::create()
        .table(service::Entity)
        .col(key())
        .col(name("service_name").not_null().unique_key())
        .col(count("generation"))
        .col(whole("salt"))
        .col(long_text("slots", backend).not_null())
        .col(ColumnDef::new("health_path").text())
        .col(count("revision"))
        .col(whole("created_at"))
        .col(whole("updated_at"))
        .take()
}

fn version_table(_: DbBackend) -> TableCreateStatement {
    let weight = Expr::col("weight").between(0, i32::from(crate::routing::PARTS));
    Table::create()
        .table(version::Entity)
        .col(ColumnDef::new("id").char_len(36).not_null().primary_key())
        .col(whole("service_id"))
        .col(name("version").not_null())
        .col(ColumnDef::new("url").text().not_null())
        .col(ColumnDef::new("weight").integer().not_null().check(weight))
        .col(ColumnDef::new("is_active").boolean().not_null())
        .col(count("position"))
        .col(whole("created_at"))
        .col(whole("updated_at"))
        .index(Index::create().unique().name("gateway_service_version_name").col("service_id").col("version"))
        .foreign_key(&mut of_service("gateway_service_version_service", version::Entity))
        .take()
}

fn change_table(backend: DbBackend) -> TableCreateStatement {
    Table::create()
        .table(change::Entity)
        .col(key())
        .col(whole("service_id"))
        .col(whole("generation"))
        .col(ColumnDef::new("actor").text().not_null())
        .col(ColumnDef::new("reason").text())
        .col(ColumnDef::new("kind").string_len(32).not_null())
        .col(name("version"))
        .col(long_text("split_before", backend).not_null())
        .col(long_text("split_after", backend).not_null())
        .col(whole("changed_at"))
        .index(
            Index::create()
                .unique()
                .name("gateway_split_change_generation")
                .col("service_id")
                .col("generation"),
        )
        .foreign_key(&mut of_service("gateway_split_change_service", change::Entity))
        .take()
}

fn revision_table(_: DbBackend) -> TableCreateStatement {
    Table::create()
        .table(revision::Entity)
        .col(ColumnDef::new("id").integer().not_null().primary_key())
        .col(whole("revision"))
        .take()
}

fn key() -> ColumnDef {
    ColumnDef::new("id").big_integer().not_null().auto_increment().primary_key().take()
}

fn name(column: &'static str) -> ColumnDef {
    ColumnDef::new(column).string_len(63).take()
}

fn whole(column: &'static str) -> ColumnDef {
    ColumnDef::new(column).big_integer().not_null().take()
}

fn count(column: &'static str) -> ColumnDef {
    whole(column).default(0).take()
}

/// A split of many versions is longer than the 64 KiB that MySQL calls text.
fn long_text(column: &'static str, backend: DbBackend) -> ColumnDef {
    match backend {
        DbBackend::MySql => ColumnDef::new(column).custom("MEDIUMTEXT").take(),
        _ => ColumnDef::new(column).text().take(),
    }
}

fn of_service(
    name: &str,
    table: impl EntityName + IntoIden + 'static,
) -> sea_orm::sea_query::ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(name)
        .from(table, "service_id")
        .to(service::Entity, "id")
        .on_delete(ForeignKeyAction::Cascade)
        .take()
}
