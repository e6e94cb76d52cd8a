//! Connections to SQLite.

use std::time::Duration;

use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sea_orm::sqlx::{Connection, Error, Executor};
use sea_orm::{ConnectOptions, DatabaseConnection, SqlxSqliteConnector};

use super::codes::is_contention;
use super::error::ConnectError;
use super::limits::{CONNECT_LIMIT, POOL_SIZE};
use super::retry::pause;

/// Maximum time that one attempt waits for the lock of another process. SQLite polls the lock at growing intervals, so
/// several short attempts within one call get it sooner than a long one.
const BUSY_TIMEOUT: Duration = Duration::from_millis(400);

/// Number of rows that the driver's thread reads ahead. Each time it waits for its reader costs more than reading a row.
const ROW_BUFFER: usize = 4_096;

/// Returns whether the driver understands `url`.
pub(super) fn is_understood(url: &str) -> bool {
    url.parse::<SqliteConnectOptions>().is_ok()
}

/// Opens the database at `url`, which errors call `name`. It is tried again while another process keeps the file
/// locked: the caller limits the time.
pub(super) async fn open(url: &str, name: &str) -> Result<DatabaseConnection, ConnectError> {
    let options = options(url, name)?;
    loop {
        match SqlxSqliteConnector::connect(options.clone()).await {
            // Of two processes that set a new file to write-ahead logging, one fails without waiting.
            Err(error) if is_contention(&error) => pause().await,
            opened => return opened.map_err(|error| ConnectError::from_database(name, error)),
        }
    }
}

/// Returns the options of the pool. A URL that names no file is refused. Connections are never closed for their age:
/// each opens the file, and an idle one costs nothing.
fn options(url: &str, name: &str) -> Result<ConnectOptions, ConnectError> {
    let in_memory = url.contains(":memory:") || url.contains("mode=memory");
    if name.is_empty() && !in_memory {
        return Err(ConnectError::NotAUrl);
    }
    let mut options = ConnectOptions::new(url);
    options
        // One connection writes and the others read, so no read waits for a write that waits for its lock. A database in
        // memory belongs to its connection and is lost with it.
        .max_connections(if in_memory { 1 } else { POOL_SIZE })
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_timeout(CONNECT_LIMIT)
        .acquire_timeout(CONNECT_LIMIT)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(with_settings)
        .map_sqlx_sqlite_pool_opts(with_cleanup);
    Ok(options)
}

/// Adds [`end_transaction`] to the return of each connection.
fn with_cleanup(options: SqlitePoolOptions) -> SqlitePoolOptions {
    options.after_release(|connection, _| Box::pin(end_transaction(connection)))
}

/// Ends a transaction on a connection that returns to the pool, and returns whether the connection can be used again.
///
/// When SQLite rolls a transaction back by itself, for example on a full disk, the driver still counts it as open. Later
/// changes would then be reported as made although they are in a transaction that is never committed.
async fn end_transaction(connection: &mut SqliteConnection) -> Result<bool, Error> {
    // Waits for a rollback that the driver queued when a transaction was dropped.
    connection.ping().await?;
    if connection.is_in_transaction() {
        // SQLite and the driver disagree, or a transaction was left open. First SQLite gets exactly one transaction. Plain
        // statements do not change the driver's count. The rollback fails if SQLite has rolled back by itself.
        let _ = connection.execute("ROLLBACK").await;
        connection.execute("BEGIN").await?;
        // Then the driver counts from 0 again. Its BEGIN fails since a transaction is open, and it reacts to the failure with
        // a rollback, which also ends the transaction of SQLite.
        let _ = connection.begin_with("BEGIN").await;
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

/// Returns the settings of a connection. A commit reaches the disk before it returns (`synchronous = FULL`):
/// a change that was reported is not lost with the power. Readers and the writer do not block each other
/// (write-ahead logging).
fn with_settings(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .row_buffer_size(ROW_BUFFER)
        .busy_timeout(BUSY_TIMEOUT)
}
