//! Running the migrations that are missing.
//!
//! Any number of processes may start together. Each checks without a lock first, and then runs the missing migrations
//! under a lock:
//!
//! | | the lock | a migration and its record |
//! | --- | --- | --- |
//! | SQLite | `BEGIN IMMEDIATE`, which locks the file | are committed together |
//! | PostgreSQL | an advisory lock of the transaction | are committed together |
//! | MySQL, MariaDB | `GET_LOCK`, held by a connection outside the pool | are committed one after the other |
//!
//! The lock is released with its transaction or connection, so a process that ends while it migrates blocks no other.
//!
//! A change of a table waits for those who read it, such as a backup, and all later statements wait behind it. So it gives up
//! after a second and is repeated: calls of other gateways are slowed down and do not fail. On a lent connection of MySQL the
//! settings of the application decide.
//!
//! On PostgreSQL a transaction changes several tables, and gateways that run read several tables, too. So it locks all of them
//! before the first change, and waits for the first one only, while it holds none: see [`lock_tables`].

use std::collections::BTreeSet;

use sea_orm::sea_query::{IntoIden, Query};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, DynIden, TransactionTrait,
};
use sea_orm_migration::{IntoSchemaManagerConnection, MigrationTrait, MigratorTrait, SchemaManager};

use super::super::codes::{database_code, is_contention, is_loss};
use super::super::dialect;
use super::super::error::{ConnectError, RefusedServer};
use super::super::limits::{MIGRATION_LIMIT, within_connect_limit};
use super::super::retry::pause;
use super::list::{migrations, steps};

/// The table of the migrations that were run. An application has its own, `seaql_migrations`, beside it.
const TABLE: &str = "gateway_migrations";

/// The column of [`TABLE`] with the names of the migrations.
const NAME: &str = "version";

/// The key of the advisory lock by which processes that start together take turns on PostgreSQL: the bytes of
/// `tcanary`, which no other program is likely to use.
const ADVISORY_LOCK: i64 = 0x0074_6361_6e61_7279;

/// Limits the wait for the lock of a table on PostgreSQL, after which the migrations are tried again.
const LIMIT_LOCK_WAIT: &str = "SET LOCAL lock_timeout = '1s'";

/// The party that creates the tables and brings them up to date.
///
/// See [`SqlStore::with_connection`](super::super::SqlStore::with_connection) for an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Migrations {
    /// The store runs them, under a lock: any number of processes may start together.
    #[default]
    Auto,
    /// The application runs [`migrations()`](super::migrations()). The store checks nothing.
    Manual,
    /// Somebody with more rights runs them. The store only checks that every migration was run.
    VerifyOnly,
}

/// Brings the tables of the database called `name` up to date before the first call.
pub(crate) async fn prepare(
    db: &DatabaseConnection,
    migrations: Migrations,
    name: &str,
) -> Result<(), ConnectError> {
    match prepare_tables(db, migrations).await {
        Ok(()) => Ok(()),
        Err(Unprepared::Connect(error)) => Err(error),
        Err(Unprepared::Refused(refused)) => Err(ConnectError::from_refused_server(name, refused)),
        Err(Unprepared::Database(error)) => Err(explain(db, name, error).await),
    }
}

/// Why tables could not be prepared. The caller adds the name of the database.
enum Unprepared {
    Connect(ConnectError),
    Refused(RefusedServer),
    Database(DbErr),
}

impl From<DbErr> for Unprepared {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

/// Checks the server, then the tables, and runs the missing migrations if it may. An application that runs
/// them itself is trusted: its tables may not exist yet.
async fn prepare_tables(db: &DatabaseConnection, migrations: Migrations) -> Result<(), Unprepared> {
    if migrations == Migrations::Manual {
        return Ok(());
    }
    let refused = within_connect_limit(async { Ok(refused_server(db).await) }).await;
    if let Some(refused) = refused.map_err(Unprepared::Connect)?? {
        return Err(Unprepared::Refused(refused));
    }
    // Checked first, so that a start against tables that are up to date takes no lock.
    let missing = within_connect_limit(async { Ok(first_missing_migration(db).await) }).await;
    match missing.map_err(Unprepared::Connect)?? {
        None => Ok(()),
        Some(migration) if migrations == Migrations::VerifyOnly => {
            Err(Unprepared::Connect(ConnectError::MissingMigration { migration }))
        }
        Some(_) => migrate_in_time(db).await,
    }
}

/// Returns why the server cannot be used although it responds: it is read-only, or does not store all characters.
/// Otherwise each change would report it. `None`: it can be used.
async fn refused_server(db: &DatabaseConnection) -> Result<Option<RefusedServer>, DbErr> {
    let backend = db.get_database_backend();
    let mut select = Query::select();
    select.exprs([dialect::is_read_only(backend), dialect::is_lossy(backend)]);
    let Some(row) = db.query_one(&select).await? else { return Ok(None) };
    let read_only: i32 = row.try_get_by_index(0)?;
    let lossy: i32 = row.try_get_by_index(1)?;
    let refused = [(read_only, RefusedServer::ReadOnly), (lossy, RefusedServer::Encoding)];
    Ok(refused.into_iter().find(|(found, _)| *found != 0).map(|(_, refused)| refused))
}

/// Limits the migrations to [`MIGRATION_LIMIT`], with the wait for another process that migrates.
async fn migrate_in_time(db: &DatabaseConnection) -> Result<(), Unprepared> {
    match tokio::time::timeout(MIGRATION_LIMIT, migrate(db)).await {
        Ok(migrated) => Ok(migrated?),
        Err(_) => Err(Unprepared::Connect(ConnectError::TimedOut(MIGRATION_LIMIT))),
    }
}

/// Converts an error of the preparation of the database called `name`: to [`ConnectError::TableExists`] if a table is
/// in the way, and otherwise to [`ConnectError::Unusable`].
async fn explain(db: &DatabaseConnection, name: &str, error: DbErr) -> ConnectError {
    let is_refused = database_code(&error).is_some() && !is_loss(&error) && !is_contention(&error);
    if is_refused {
        let found = within_connect_limit(async { Ok(foreign_table(db).await) }).await;
        if let Ok(Ok(Some(table))) = found {
            return ConnectError::TableExists { table, database: name.into(), source: error.into() };
        }
    }
    ConnectError::from_database(name, error)
}

/// Returns the name of the first table that is named as one of the store's and was not created by its migrations.
/// `None`: no table is in the way.
async fn foreign_table(db: &DatabaseConnection) -> Result<Option<String>, DbErr> {
    let manager = SchemaManager::new(db);
    if manager.has_table(TABLE).await? && !manager.has_column(TABLE, NAME).await? {
        return Ok(Some(TABLE.into()));
    }
    let run = recorded_migrations(db).await?;
    for step in steps().iter().filter(|step| !run.contains(step.name)) {
        if let Some(table) = step.foreign_table(&manager).await? {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

/// Returns the first migration that was not run. Migrations of a later release are ignored: while gateways are updated
/// one by one, both releases use the same tables.
async fn first_missing_migration<'c, C>(db: &'c C) -> Result<Option<String>, DbErr>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    let run = recorded_migrations(db).await?;
    let missing = steps().into_iter().find(|step| !run.contains(step.name));
    Ok(missing.map(|step| step.name.to_owned()))
}

/// Returns the names of the migrations that were run, by the table of migrations. Empty before it is created.
async fn recorded_migrations<'c, C>(db: &'c C) -> Result<BTreeSet<String>, DbErr>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    let mut names = BTreeSet::new();
    if SchemaManager::new(db).has_table(TABLE).await? {
        let mut select = Query::select();
        select.column(NAME).from(TABLE);
        for row in db.query_all(&select).await? {
            names.insert(row.try_get_by_index(0)?);
        }
    }
    Ok(names)
}

/// Runs the missing migrations under a lock. Retries while other processes collide with it.
async fn migrate(db: &DatabaseConnection) -> Result<(), DbErr> {
    loop {
        let migrated = match db.get_database_backend() {
            #[cfg(feature = "mysql")]
            DbBackend::MySql => migrate_mysql(db).await,
            _ => migrate_in_transaction(db).await.map(|()| true),
        };
        match migrated {
            Ok(true) => return Ok(()),
            Ok(false) => pause().await,
            Err(error) if is_contention(&error) => pause().await,
            Err(error) => return Err(error),
        }
    }
}

/// Runs the missing migrations in a transaction. On SQLite the transaction itself locks the file.
async fn migrate_in_transaction(db: &DatabaseConnection) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    let transaction = db.begin_with_options(dialect::transaction_options(backend)).await?;
    if backend == DbBackend::Postgres {
        transaction.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")).await?;
        // After the advisory lock, for which a start waits as long as another one migrates.
        transaction.execute_unprepared(LIMIT_LOCK_WAIT).await?;
        lock_tables(&transaction).await?;
    }
    run_missing(&transaction).await?;
    transaction.commit().await
}

/// Locks the tables that exist, if migrations are missing.
///
/// No call of another gateway can end in a deadlock with the migrations then, in whatever order it reads the tables: a deadlock
/// is a circle of transactions that each hold a lock and wait for another one. This transaction waits only while it holds no
/// lock that gateways ask for. It takes each later lock at once, or gives up all of them until the next attempt.
async fn lock_tables(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    if first_missing_migration(transaction).await?.is_none() {
        return Ok(());
    }
    let run = recorded_migrations(transaction).await?;
    let done = steps().into_iter().filter(|step| run.contains(step.name));
    let mut mode = "ACCESS EXCLUSIVE MODE";
    for table in done.filter_map(|step| step.created_table(DbBackend::Postgres)) {
        transaction.execute_unprepared(&format!("LOCK TABLE {table} IN {mode}")).await?;
        mode = "ACCESS EXCLUSIVE MODE NOWAIT";
    }
    Ok(())
}

/// Runs the missing migrations under a lock, since MySQL has no transactions for definitions. Returns `false` if another
/// process holds the lock.
#[cfg(feature = "mysql")]
async fn migrate_mysql(db: &DatabaseConnection) -> Result<bool, DbErr> {
    use sea_orm::sqlx::Connection;

    let Some(lock) = super::super::mysql::migration_lock(db).await? else { return Ok(false) };
    run_missing(db).await?;
    // The lock is released with its connection, even if closing it fails.
    let _ = lock.close().await;
    Ok(true)
}

/// Runs the migrations that are still missing under the lock. If a later release held the lock before, none is missing,
/// and the migrator must not run: it fails on migrations that it does not know.
async fn run_missing<'c, C>(db: &'c C) -> Result<(), DbErr>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    match first_missing_migration(db).await? {
        Some(_) => Migrator::up(db, None).await,
        None => Ok(()),
    }
}

/// The store's migrations with a table of their own. It is private because it could also drop every table.
struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        migrations()
    }

    fn migration_table_name() -> DynIden {
        TABLE.into_iden()
    }
}
