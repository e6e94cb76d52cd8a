//! Creating the tables, and bringing them up to date.
//!
//! Each migration is one statement, because MySQL commits after every statement that defines something: there a process
//! may end between a table and the note that it was made, so each of them can be made again. None says `IF NOT EXISTS`: a
//! table that is there and was not made here is an error to be looked at, not to be built upon.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::sea_query::{
    ColumnDef, Expr, ExprTrait, ForeignKey, ForeignKeyAction, Index, IntoIden, OnConflict, Query, Table,
    TableCreateStatement, TableName, TableRef,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, DynIden, EntityName, TransactionTrait};
use sea_orm_migration::{
    IntoSchemaManagerConnection, MigrationName, MigrationTrait, MigratorTrait, SchemaManager,
};

use super::connect::within_limit;
use super::dialect;
use super::entity::{change, refusal, replica, revision, service, version};
use super::error::ConnectError;
use super::retry::{is_contention, pause};

/// Which migrations were run, beside the `seaql_migrations` of a host.
const TABLE: &str = "gateway_migrations";

/// How long migrating may take, with the wait for another process that does it.
const LIMIT: Duration = Duration::from_secs(60);

/// The index by which a replica finds what changed.
const REVISION_INDEX: &str = "gateway_service_config_revision";

/// The column with what a replica still has requests for.
const DRAINING: &str = "draining";

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
        Box::new(Step { name: "gateway_0007_create_replica", run: Run::Create(replica_table) }),
        Box::new(Step { name: "gateway_0008_create_refused_change", run: Run::Create(refusal_table) }),
        Box::new(Step { name: "gateway_0009_add_replica_draining", run: Run::AddDraining }),
    ]
}

/// Sees to the tables of the database called `shown`, before anything is asked of them.
pub(super) async fn prepare(
    db: &DatabaseConnection,
    migrations: Migrations,
    shown: &str,
) -> Result<(), ConnectError> {
    if migrations == Migrations::Manual {
        return Ok(());
    }
    let unusable = |error| ConnectError::unusable(shown, error);
    // Looks first, so that a start against tables that are up to date takes no lock.
    let missing = within_limit(async { missing(db).await.map_err(unusable) }).await?;
    match missing {
        None => Ok(()),
        Some(migration) if migrations == Migrations::VerifyOnly => {
            Err(ConnectError::MissingMigration { migration })
        }
        Some(_) => {
            let migrated = tokio::time::timeout(LIMIT, migrate(db)).await;
            migrated.map_err(|_| ConnectError::TimedOut(LIMIT))?.map_err(unusable)
        }
    }
}

/// The first migration that was not run. Those of a later release are no concern of this one: while gateways are
/// brought up to date one by one, both run on the same tables.
async fn missing<'c, C>(db: &'c C) -> Result<Option<String>, DbErr>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    let mut run = BTreeSet::new();
    if SchemaManager::new(db).has_table(TABLE).await? {
        let mut select = Query::select();
        select.column("version").from(TABLE);
        for row in db.query_all(&select).await? {
            run.insert(row.try_get_by_index::<String>(0)?);
        }
    }
    let missing = migrations().into_iter().find(|migration| !run.contains(migration.name()));
    Ok(missing.map(|migration| migration.name().to_owned()))
}

/// Runs what is missing, under a lock.
async fn migrate(db: &DatabaseConnection) -> Result<(), DbErr> {
    loop {
        let migrated = match db.get_database_backend() {
            #[cfg(feature = "mysql")]
            DbBackend::MySql => migrate_mysql(db).await,
            _ => migrate_in_transaction(db).await,
        };
        match migrated {
            Err(error) if is_contention(&error) => pause().await,
            done => return done,
        }
    }
}

/// SQLite needs no lock but its transaction, which locks the file.
async fn migrate_in_transaction(db: &DatabaseConnection) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    let transaction = db.begin_with_options(dialect::transaction(backend)).await?;
    if backend == DbBackend::Postgres {
        transaction.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
    }
    up(&transaction).await?;
    transaction.commit().await
}

/// Runs what is missing still, now that nobody else does. Whoever had the lock before may be of a later release, whose
/// migrations the migrator would stumble over.
async fn up<'c, C>(db: &'c C) -> Result<(), DbErr>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    match missing(db).await? {
        Some(_) => Own::up(db, None).await,
        None => Ok(()),
    }
}

/// There is no transaction to be had around what defines tables.
#[cfg(feature = "mysql")]
async fn migrate_mysql(db: &DatabaseConnection) -> Result<(), DbErr> {
    use sea_orm::sqlx::Connection;

    let lock = super::mysql::migration_lock(db).await?.ok_or(DbErr::RecordNotUpdated)?;
    up(db).await?;
    // It ends either way, and the lock with it.
    let _ = lock.close().await;
    Ok(())
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
    AddDraining,
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
            Run::Create(table) => {
                let table = table(manager.get_database_backend());
                if is_half_done(manager, &table).await? { Ok(()) } else { manager.create_table(table).await }
            }
            Run::InsertRevision => {
                let mut insert = Query::insert();
                insert.into_table(revision::Entity).columns(["id", "revision"]);
                insert.values_panic([revision::ONLY.into(), 0.into()]);
                insert.on_conflict(OnConflict::column("id").do_nothing_on(["id"]).to_owned());
                manager.execute(insert).await
            }
            Run::IndexRevision => {
                let table = service::Entity.table_name();
                if is_mysql(manager) && manager.has_index(table, REVISION_INDEX).await? {
                    return Ok(());
                }
                let mut index = Index::create();
                index.name(REVISION_INDEX).table(service::Entity).col("revision");
                manager.create_index(index).await
            }
            Run::AddDraining => add_draining(manager).await,
        }
    }
}

/// Gateways that do not know of it leave it out.
async fn add_draining(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if is_mysql(manager) && manager.has_column(replica::Entity.table_name(), DRAINING).await? {
        return Ok(());
    }
    let mut alter = Table::alter();
    alter.table(replica::Entity).add_column(long_text(DRAINING, manager.get_database_backend()));
    manager.alter_table(alter).await
}

/// Whether an earlier process made this very table and ended before it could note so.
async fn is_half_done(manager: &SchemaManager<'_>, table: &TableCreateStatement) -> Result<bool, DbErr> {
    let Some(TableRef::Table(TableName(_, name), _)) = table.get_table_name() else { return Ok(false) };
    if !is_mysql(manager) || !manager.has_table(name.to_string()).await? {
        return Ok(false);
    }
    for column in table.get_columns() {
        if !manager.has_column(name.to_string(), column.get_column_name()).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_mysql(manager: &SchemaManager<'_>) -> bool {
    manager.get_database_backend() == DbBackend::MySql
}

fn service_table(backend: DbBackend) -> TableCreateStatement {
    table(backend)
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
        .col(count("epoch"))
        .take()
}

fn version_table(backend: DbBackend) -> TableCreateStatement {
    let weight = Expr::col("weight").between(0, i32::from(crate::routing::SLOTS));
    table(backend)
        .table(version::Entity)
        .col(ColumnDef::new("id").string_len(36).not_null().primary_key())
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
    table(backend)
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

fn revision_table(backend: DbBackend) -> TableCreateStatement {
    table(backend)
        .table(revision::Entity)
        .col(ColumnDef::new("id").integer().not_null().primary_key())
        .col(whole("revision"))
        .take()
}

fn replica_table(backend: DbBackend) -> TableCreateStatement {
    table(backend)
        .table(replica::Entity)
        .col(ColumnDef::new("id").string_len(36).not_null().primary_key())
        .col(ColumnDef::new("name").text().not_null())
        .col(whole("revision"))
        .col(whole("seen_at"))
        .take()
}

fn refusal_table(backend: DbBackend) -> TableCreateStatement {
    table(backend)
        .table(refusal::Entity)
        .col(key())
        .col(name("service_name").not_null())
        .col(ColumnDef::new("actor").text().not_null())
        .col(ColumnDef::new("reason").text())
        .col(ColumnDef::new("kind").string_len(32).not_null())
        .col(name("version"))
        .col(ColumnDef::new("asked").text().not_null())
        .col(ColumnDef::new("generation").big_integer())
        .col(long_text("split", backend).not_null())
        .col(ColumnDef::new("why").text().not_null())
        .col(whole("refused_at"))
        .take()
}

/// What MySQL would otherwise take from its settings: rows that can be locked, and texts of any letters, compared as
/// they are.
fn table(backend: DbBackend) -> TableCreateStatement {
    let mut table = Table::create();
    if backend == DbBackend::MySql {
        table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
    }
    table
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
