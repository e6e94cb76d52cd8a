//! SQLite: its connections, and what its errors mean.

use std::time::Duration;

use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sea_orm::sqlx::{Connection, Error, Executor};
use sea_orm::{ConnectOptions, DatabaseConnection, SqlxSqliteConnector};

use super::connect::{LIMIT, shown};
use super::error::ConnectError;
use super::retry::{database_code, is_contention, pause};

/// One writes; the others read at the same time, so that no read waits for a write that waits for its lock.
const CONNECTIONS: u32 = 4;

/// How long one attempt waits for another process: short, so that several attempts fit into the time of one call, and
/// because SQLite asks ever more seldom within it.
const BUSY: Duration = Duration::from_millis(400);

/// How many rows the driver's thread reads ahead. Every time it waits costs more than reading a row.
const ROWS: usize = 4_096;

pub(super) async fn open(url: &str) -> Result<DatabaseConnection, ConnectError> {
    let options = options(url)?;
    loop {
        match SqlxSqliteConnector::connect(options.clone()).await {
            // Two that set a new file to write-ahead logging at once are told so without waiting.
            Err(error) if is_contention(&error) => pause().await,
            Err(error) if database_code(&error).is_none() => return Err(ConnectError::BadUrl(error.into())),
            opened => return opened.map_err(|error| ConnectError::unusable(&shown(url), error)),
        }
    }
}

fn options(url: &str) -> Result<ConnectOptions, ConnectError> {
    let memory = url.contains(":memory:") || url.contains("mode=memory");
    if shown(url).is_empty() && !memory {
        return Err(ConnectError::NotAUrl);
    }
    let mut options = ConnectOptions::new(url);
    options
        // A database in memory is gone with its last connection, and there is nothing to gain from a fresh one.
        .max_connections(if memory { 1 } else { CONNECTIONS })
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_timeout(LIMIT)
        .acquire_timeout(LIMIT)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(tuned)
        .map_sqlx_sqlite_pool_opts(cleaned);
    Ok(options)
}

fn cleaned(options: SqlitePoolOptions) -> SqlitePoolOptions {
    options.after_release(|connection, _| Box::pin(clean(connection)))
}

/// Leaves no transaction on a connection that was given back. Where SQLite undoes one by itself, as on a full disk, the
/// driver counts on: all that followed would be answered as made, within a transaction that nobody commits.
async fn clean(connection: &mut SqliteConnection) -> Result<bool, Error> {
    // Behind what is undone because it was dropped.
    connection.ping().await?;
    if connection.is_in_transaction() {
        // Refused where there is none.
        let _ = connection.execute("ROLLBACK").await;
        connection.execute("BEGIN").await?;
        // It begins no second one, and as it fails it undoes the first, for SQLite and for the driver.
        let _ = connection.begin_with("BEGIN").await;
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

fn tuned(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .row_buffer_size(ROWS)
        .busy_timeout(BUSY)
}
