//! Time limits of calls, and sizes of pools.
//!
//! From the shortest to the longest, with those that are set elsewhere:
//!
//! | limit | ends | set in |
//! | --- | --- | --- |
//! | 0.4 s | one wait for the lock of SQLite, so that several attempts fit into a call | `sqlite.rs` |
//! | 1 s | a wait for the lock of a table, in a migration | `migrations/run.rs`, `mysql.rs` |
//! | 1 s | the test of an idle connection, so that a dead one is replaced within a call | `server.rs` |
//! | 2 s | a wait for a row's lock on MySQL and MariaDB | `mysql.rs`, `dialect.rs` |
//! | 2.5 s | a statement of a transaction that writes, on PostgreSQL | `dialect.rs` |
//! | 2.75 s | a call with all its attempts, unless it loads all services, and the first connection | here |
//! | 3 s | work whose caller is gone, on connections of the store's own | `orphans.rs` |
//! | 5 s | a transaction on PostgreSQL or MariaDB that does nothing | `dialect.rs`, `mysql.rs` |
//! | 5 s | the wait for calls and connections when the store is closed, and that for its listeners | here |
//! | 10 s | one wait for another process that migrates, on MySQL and MariaDB | `mysql.rs` |
//! | 30 s | a call that loads all services | here |
//! | 60 s | the migrations, before the first call | here |
//!
//! The databases end a statement that writes, or its wait for a lock, before the call ends. So an error that they
//! report is seen, and they release the locks of a gateway that vanished.

use std::time::Duration;

use super::error::ConnectError;

/// Maximum time to connect: short enough for a gateway to report at its start why it cannot.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_millis(2_750);

/// Maximum time of one call, with all its attempts, unless it loads all services.
pub(super) const CALL_LIMIT: Duration = Duration::from_millis(2_750);

/// Maximum time to load all services.
pub(super) const FULL_LOAD_LIMIT: Duration = Duration::from_secs(30);

/// Maximum time to migrate, including the wait for another process that migrates.
pub(super) const MIGRATION_LIMIT: Duration = Duration::from_secs(60);

/// Maximum time until all calls have ended and all connections are closed: a call, and the commit of a slow disk.
pub(super) const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// Maximum number of connections in a pool of the store's own. The listener has one more.
pub(super) const POOL_SIZE: u32 = 4;

/// Limits `work` to [`CONNECT_LIMIT`], after which it is dropped with [`ConnectError::TimedOut`].
pub(super) async fn within_connect_limit<T>(
    work: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    let limited = tokio::time::timeout(CONNECT_LIMIT, work).await;
    limited.unwrap_or(Err(ConnectError::TimedOut(CONNECT_LIMIT)))
}
